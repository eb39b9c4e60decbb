// The tokenizer of a folder with a tokenizer.json, to which the files beside it add.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "sleb/base/json.h"
#include "sleb/text/tokenizer.h"

namespace sleb {

// As transformers 5's AutoTokenizer (models/auto/tokenization_auto.py) reads the folder:
// - special tokens that only tokenizer_config.json, special_tokens_map.json or added_tokens.json name are added, those
//   of added_tokens_decoder with their options; split_special_tokens counts;
// - a class of tokenizer_classes.h takes from the file vocabulary, merges and post-processor alone and makes the other
//   parts itself.
// Throws Error(bad_input).
Tokenizer tokenizer_of_json_folder(const std::filesystem::path& folder);

// The same as the content of one tokenizer.json, but for the ids of tokens that only other files name.
Json tokenizer_document_of_json_folder(const std::filesystem::path& folder);

// Whether the text of a tokenizer.json names the component ByteLevel, which AutoTokenizer looks for.
bool names_byte_level(std::string_view text);

// What the user should know of it, if anything: a tokenizer_class that makes parts of its own in transformers and is
// not known here, so that tokenizer.json is taken as it stands. Throws Error(bad_input).
std::optional<std::string> warning_of_json_folder(const std::filesystem::path& folder);

}  // namespace sleb
