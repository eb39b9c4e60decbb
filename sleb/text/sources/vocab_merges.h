// vocab.json and merges.txt: the vocabulary as GPT-2 stores it, which OPT ships alone.
#pragma once

#include <filesystem>

#include "sleb/text/tokenizer.h"

namespace sleb {

// The tokenizer that transformers' AutoTokenizer makes of vocab.json, merges.txt and tokenizer_config.json. Throws
// Error(bad_input), naming file and line, for malformed files, and for a tokenizer_class that is not known.
Tokenizer tokenizer_of_vocab_and_merges(const std::filesystem::path& folder);

}  // namespace sleb
