// vocab.json and merges.txt: the vocabulary as GPT-2 stores it, which OPT ships alone.
#pragma once

#include <filesystem>
#include <string>

namespace sleb {

// The tokenizer.json that says the same as vocab.json, merges.txt and tokenizer_config.json in `folder` do to
// transformers' AutoTokenizer. Throws Error(bad_input), naming file and line, for malformed files, and for a
// tokenizer_class that is not known.
std::string tokenizer_json_of_vocab_and_merges(const std::filesystem::path& folder);

}  // namespace sleb
