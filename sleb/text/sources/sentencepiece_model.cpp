#include "sleb/text/sources/sentencepiece_model.h"

#include <numeric>

#include "sleb/base/error.h"

namespace sleb {

std::string_view SentencePieceModel::type() const {
  return file_.algorithm == PieceAlgorithm::unigram ? "Unigram" : "BPE";
}

std::vector<int64_t> SentencePieceModel::ids() const {
  std::vector<int64_t> ids(static_cast<size_t>(token_count()));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

std::optional<int64_t> SentencePieceModel::id_of(std::string_view token) const {
  const int id = file_.processor->PieceToId(token);  // the unknown piece's for a text that is no piece
  if (id < 0 || id >= token_count() || file_.processor->IdToPiece(id) != token) return {};
  return id;
}

void SentencePieceModel::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  std::vector<int> of_piece;
  for (const Span& span : pieces.spans) {
    const auto status = file_.processor->Encode(pieces.piece(span), &of_piece);
    if (!status.ok()) failed("libsentencepiece: {}", status.ToString());
    ids.insert(ids.end(), of_piece.begin(), of_piece.end());
  }
}

}  // namespace sleb
