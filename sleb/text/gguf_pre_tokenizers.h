// What the names in tokenizer.ggml.pre stand for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// The parts of a tokenizer.json that a name implies, and what is done where the GGUF file does not say.
struct GgufPreTokenizer {
  OrderedJson normalizer;     // null for none
  OrderedJson pre_tokenizer;  // ends in ByteLevel, if `byte_level`
  bool ignore_merges;         // a piece that is a token as a whole is not merged from its characters
  bool add_bos;               // unless tokenizer.ggml.add_bos_token says otherwise
  bool byte_level = true;     // tokens are spelled in GPT-2's alphabet of bytes; else in characters, with <0xNN>
};

// Throws Error(bad_input), beginning with `label`, for a name that is not known. No name stands for GPT-2's.
GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view label);

// A name for each way to split texts: the one that most models with it have.
std::vector<std::string_view> gguf_pre_tokenizer_names();

}  // namespace sleb
