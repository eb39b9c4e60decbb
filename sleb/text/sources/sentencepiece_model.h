// libsentencepiece as the model of a tokenizer: its own normalizer, its own segmentation.
#pragma once

#include "sleb/text/model/token_model.h"
#include "sleb/text/sources/sentencepiece_file.h"

namespace sleb {

class SentencePieceModel : public TokenModel {
 public:
  explicit SentencePieceModel(SentencePieceFile file) : file_(std::move(file)) {}

  std::string_view type() const override;
  int64_t token_count() const override { return file_.processor->GetPieceSize(); }
  std::vector<TokenText> tokens() const override;
  std::optional<int64_t> id_of(std::string_view token) const override;
  std::optional<TokenDecoder> decoder() const override;
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  SentencePieceFile file_;
};

}  // namespace sleb
