// The "model" of a tokenizer.json: turns pieces of text into token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/text/decoder/token_decoder.h"
#include "sleb/text/model/vocabulary.h"
#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

namespace sleb {

class TokenModel {
 public:
  virtual ~TokenModel() = default;

  virtual std::string_view type() const = 0;
  // Number of tokens in the vocabulary, added tokens that are not part of it left out.
  virtual int64_t token_count() const = 0;
  // All of them, in no order; the texts live as long as the model.
  virtual std::vector<TokenText> tokens() const = 0;
  virtual std::optional<int64_t> id_of(std::string_view token) const = 0;

  // How tokens are put together where the model alone says it, and not the tokenizer's file.
  virtual std::optional<TokenDecoder> decoder() const { return {}; }

  // Appends the ids of every piece to `ids`. Thread-safe.
  virtual void encode(const Pieces& pieces, std::vector<int64_t>& ids) const = 0;
};

// Throws Error(bad_input) for a model or an option of it that is not known, by its name.
std::unique_ptr<TokenModel> make_token_model(const JsonView& model);

}  // namespace sleb
