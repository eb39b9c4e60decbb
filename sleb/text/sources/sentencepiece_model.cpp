#include "sleb/text/sources/sentencepiece_model.h"

#include "sleb/base/error.h"
#include "sleb/text/decoder/byte_stages.h"

namespace sleb {

std::string_view SentencePieceModel::type() const {
  return file_.algorithm == PieceAlgorithm::unigram ? "Unigram" : "BPE";
}

// As libsentencepiece decodes them: control pieces to nothing, unknown ones to a sign.
std::vector<TokenText> SentencePieceModel::tokens() const {
  std::vector<TokenText> texts;
  texts.reserve(file_.types.size());
  for (size_t i = 0; i < file_.types.size(); ++i) {
    const int id = static_cast<int>(i);
    const PieceType type = file_.types[i];
    texts.push_back({id, type == PieceType::control   ? std::string_view()
                         : type == PieceType::unknown ? std::string_view(file_.unknown_surface)
                                                      : std::string_view(file_.processor->IdToPiece(id))});
  }
  return texts;
}

std::optional<TokenDecoder> SentencePieceModel::decoder() const {
  return TokenDecoder(
      sentencepiece_stage({.strip_first_blank = file_.add_dummy_prefix || file_.remove_extra_whitespaces,
                           .remove_extra_whitespaces = file_.remove_extra_whitespaces}),
      "tokenizer.model");
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
