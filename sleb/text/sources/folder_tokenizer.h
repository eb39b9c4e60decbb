// The tokenizer of a Hugging Face folder, whichever files it has.
#pragma once

#include <filesystem>

#include "sleb/text/tokenizer.h"

namespace sleb {

// tokenizer.json, else tokenizer.model, else vocab.json with merges.txt: the order in which transformers' AutoTokenizer
// prefers them. Throws Error(bad_input) for malformed files and where there is none of them.
Tokenizer tokenizer_of_folder(const std::filesystem::path& folder);

}  // namespace sleb
