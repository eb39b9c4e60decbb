#include "sleb/text/sentencepiece/sentencepiece_model.h"

#include <utility>

#include "sleb/text/decoder/byte_stages.h"
#include "sleb/text/sentencepiece/piece_bpe.h"
#include "sleb/text/sentencepiece/piece_unigram.h"

namespace sleb {
namespace {

std::unique_ptr<PieceSegmenter> make_segmenter(const SentencePieceFile& file) {
  if (file.algorithm == PieceAlgorithm::unigram) return std::make_unique<PieceUnigram>(file);
  return std::make_unique<PieceBpe>(file);
}

}  // namespace

StringMap<int32_t> piece_ids(const SentencePieceFile& file) {
  StringMap<int32_t> ids;
  ids.reserve(file.pieces.size());
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const SentencePiece& piece = file.pieces[id];
    const auto [entry, is_new] = ids.emplace(piece.text, static_cast<int32_t>(id));
    if (!is_new && !piece.in_text()) entry->second = static_cast<int32_t>(id);
  }
  return ids;
}

SentencePieceModel::SentencePieceModel(SentencePieceFile file)
    : file_(std::move(file)), ids_(piece_ids(file_)), normalizer_(file_), segmenter_(make_segmenter(file_)) {}

std::string_view SentencePieceModel::type() const {
  return file_.algorithm == PieceAlgorithm::unigram ? "Unigram" : "BPE";
}

// As the library decodes them: control pieces to nothing, unknown ones to a sign.
std::vector<TokenText> SentencePieceModel::tokens() const {
  std::vector<TokenText> texts;
  texts.reserve(file_.pieces.size());
  for (size_t id = 0; id < file_.pieces.size(); ++id) {
    const SentencePiece& piece = file_.pieces[id];
    texts.push_back({static_cast<int64_t>(id), piece.type == PieceType::control ? std::string_view()
                                               : piece.type == PieceType::unknown
                                                   ? std::string_view(file_.unknown_surface)
                                                   : std::string_view(piece.text)});
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
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

void SentencePieceModel::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  for (const Span& span : pieces.spans) segmenter_->encode(normalizer_.apply(pieces.piece(span)), ids);
}

}  // namespace sleb
