// A SentencePiece vocabulary as the model of a tokenizer: with its own normalizer, and pieces as the library cuts them.
#pragma once

#include "sleb/text/model/token_model.h"
#include "sleb/text/sentencepiece/piece_normalizer.h"
#include "sleb/text/sentencepiece/piece_segmenter.h"
#include "sleb/text/sentencepiece/sentencepiece_file.h"

namespace sleb {

// The piece of each name; of two, the one that stands for no text.
StringMap<int32_t> piece_ids(const SentencePieceFile& file);

class SentencePieceModel : public TokenModel {
 public:
  explicit SentencePieceModel(SentencePieceFile file);

  std::string_view type() const override;
  int64_t token_count() const override { return static_cast<int64_t>(file_.pieces.size()); }
  std::vector<TokenText> tokens() const override;
  std::optional<int64_t> id_of(std::string_view token) const override;
  std::optional<TokenDecoder> decoder() const override;
  // Ids are those of the library's version 0.2.3.
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  const SentencePieceFile file_;
  const StringMap<int32_t> ids_;
  const PieceNormalizer normalizer_;
  const std::unique_ptr<PieceSegmenter> segmenter_;
};

}  // namespace sleb
