// The tokens of a GGUF vocabulary, checked: what every tokenizer.ggml.model begins with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/text/gguf_vocabulary.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {

// tokenizer.ggml.token_type
enum class GgufTokenType : int64_t {
  undefined = 0,
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

class GgufTokens {
 public:
  // Throws Error(bad_input) for tokens that are no UTF-8 or stand twice, and for types that are no types.
  explicit GgufTokens(const GgufVocabulary& vocabulary);
  GgufTokens(const GgufTokens&) = delete;
  GgufTokens& operator=(const GgufTokens&) = delete;

  const std::vector<std::string>& names() const { return names_; }
  std::optional<size_t> id_of(std::string_view name) const;

  // The token that `id` names. `key` and `what` are for the message: "bos_token_id".
  std::optional<NamedToken> at(const char* key, const std::optional<int64_t>& id) const;

  // tokenizer.json's "vocab" of a BPE model.
  OrderedJson vocabulary() const;
  // Tokens that llama.cpp looks for in the text before anything else: control and unknown ones, which are special, and
  // those that users defined, which are not. A file has no options for them; those of Phi-3 take the blanks behind
  // them, which llama.cpp knows by the model's name.
  OrderedJson added_tokens() const;

 private:
  void check_types() const;
  GgufTokenType type_of(size_t id) const;

  const GgufVocabulary& vocabulary_;
  std::vector<std::string> names_;
  std::unordered_map<std::string_view, size_t> ids_;  // views into names_
};

}  // namespace sleb
