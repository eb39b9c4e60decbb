#include "sleb/text/model/token_model.h"

#include <fmt/core.h>

#include "sleb/text/model/bpe.h"
#include "sleb/text/model/unigram.h"
#include "sleb/text/model/word_level.h"
#include "sleb/text/model/word_piece.h"

namespace sleb {

std::unique_ptr<TokenModel> make_token_model(const JsonView& model) {
  // Files of before 2020, GPT-2's among them, don't name the type; the library then tells BPE by its merges.
  const std::string type = model.string_or("type", model.has("merges") ? "BPE" : "without a type");
  if (type == "BPE") return std::make_unique<Bpe>(model);
  if (type == "Unigram") return std::make_unique<Unigram>(model);
  if (type == "WordPiece") return std::make_unique<WordPiece>(model);
  if (type == "WordLevel") return std::make_unique<WordLevel>(model);
  model.fail(fmt::format("the model {:?} is not supported", type));
}

}  // namespace sleb
