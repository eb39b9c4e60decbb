// vocab.json and merges.txt: the vocabulary as GPT-2 stores it, which OPT ships alone.
#pragma once

#include <filesystem>

#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/tokenizer.h"

namespace sleb {

// A byte-level class that transformers builds anew from a vocabulary and merges, whatever a tokenizer.json says of the
// other parts: its own special tokens, normalizer and pre-tokenizer.
struct ByteLevelClass {
  TokenizerClassDefaults defaults;
  OrderedJson normalizer, pre_tokenizer;
};
// transformers 5, models/gpt2/tokenization_gpt2.py and models/qwen2/tokenization_qwen2.py.
ByteLevelClass gpt2_class(const TokenizerConfig& config);
ByteLevelClass qwen2_class(const TokenizerConfig& config);

// The tokenizer that transformers' AutoTokenizer makes of vocab.json, merges.txt and tokenizer_config.json. Throws
// Error(bad_input), naming file and line, for malformed files, and for a tokenizer_class that is not known.
Tokenizer tokenizer_of_vocab_and_merges(const std::filesystem::path& folder);

}  // namespace sleb
