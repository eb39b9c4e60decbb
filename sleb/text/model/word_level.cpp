#include "sleb/text/model/word_level.h"

#include "sleb/base/error.h"

namespace sleb {

WordLevel::WordLevel(const JsonView& model)
    : place_(model.place()), vocabulary_(model.at("vocab")), unknown_token_(model.at("unk_token").string()) {}

void WordLevel::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  const auto unknown = vocabulary_.find(unknown_token_);
  for (const Span& span : pieces.spans) {
    const auto id = vocabulary_.find(pieces.piece(span));
    if (!id && !unknown) bad_input("{}: the vocabulary lacks unk_token {:?}", place_, unknown_token_);
    ids.push_back(id ? *id : *unknown);
  }
}

}  // namespace sleb
