// Text to token ids, as the Hugging Face tokenizers library does it from a tokenizer.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/text/decoder/text_stream.h"

namespace sleb {

class TokenModel;

class Tokenizer {
 public:
  // `text`: the content of a tokenizer.json; `label` begins error messages. Throws Error(bad_input) for a malformed
  // file, and for any component (normalizer, pre-tokenizer, model, post-processor) that is not known, by its name.
  static Tokenizer from_json(std::string_view text, std::string_view label);
  // The same with a model that is not part of the file.
  static Tokenizer from_json(std::string_view text, std::string_view label, std::unique_ptr<TokenModel> model,
                             bool split_special_tokens = false);
  static Tokenizer from_file(const std::filesystem::path& tokenizer_json);
  // Of a tokenizer.json that is parsed already, changed by the files beside it perhaps. `split_special_tokens`: texts
  // that spell special tokens are split like any other text.
  static Tokenizer from_document(const Json& document, std::string_view label, bool split_special_tokens);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Ids of `text` (UTF-8; invalid bytes are replaced by U+FFFD as Python's errors="replace" does). With
  // `add_special_tokens`, the post-processor's template adds what the model expects (BOS, EOS). Text that spells an
  // added token becomes that token, as in the tokenizers library. Thread-safe.
  std::vector<int64_t> encode(std::string_view text, bool add_special_tokens = true) const;

  // The text of `ids`, as the tokenizers library decodes them: special tokens left out on request, ids that no token
  // has in any case. Throws Error(bad_input) for a decoder that is not known, by its name. Thread-safe.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const;
  // The same for ids as they come. The tokenizer outlives the stream.
  TextStream stream(bool skip_special_tokens) const;

  // What encode() puts before and behind a text ("<s>"; nothing).
  struct AroundText {
    std::vector<int64_t> before, behind;
  };
  AroundText around_text() const;

  // Whether the id is that of a plain piece of text: no added token (special, unused, a user's own), and a text of one
  // token is this one. So pieces of characters are none, and what only stands within words of a SentencePiece
  // vocabulary. Throws what decode throws.
  bool is_ordinary(int64_t id) const;

  // Number of distinct ids, added tokens included.
  int64_t vocabulary_size() const;
  // "BPE"; for `sleb info`.
  std::string_view model_type() const;

 private:
  struct Pipeline;
  explicit Tokenizer(std::unique_ptr<Pipeline> pipeline);
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace sleb
