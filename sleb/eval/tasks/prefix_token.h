// The token that stands in front of what has no prompt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "sleb/text/tokenizer.h"

namespace sleb {

struct PrefixToken {
  int64_t id;
  std::string text;
};

// The token that transformers' AutoTokenizer calls bos_token, else eos_token (lm-evaluation-harness,
// HFLM.prefix_token_id) of a Hugging Face folder or a .gguf file; nothing where the model has neither. Throws
// Error(bad_input) for malformed files.
std::optional<PrefixToken> prefix_token(const std::filesystem::path& model, const Tokenizer& tokenizer);

}  // namespace sleb
