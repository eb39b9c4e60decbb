// The tokenizer of a Hugging Face folder, whichever files it has.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "sleb/text/tokenizer.h"

namespace sleb {

// tokenizer.json, else tokenizer.model, else vocab.json with merges.txt: the order in which transformers' AutoTokenizer
// prefers them. Throws Error(bad_input) for malformed files and where there is none of them.
Tokenizer tokenizer_of_folder(const std::filesystem::path& folder);

// The special tokens by role, "bos_token" to "mask_token", as AutoTokenizer has them: those that the files name, then
// those of the tokenizer's class, or of tokenizer.model where there is no class. Throws Error(bad_input) for malformed
// files.
std::map<std::string, std::string> special_tokens_of_folder(const std::filesystem::path& folder);

}  // namespace sleb
