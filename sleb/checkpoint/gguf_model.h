// What a GGUF file says in its own words, said in Hugging Face's: config.json, vocabulary.
#pragma once

#include <cstdint>
#include <string>

#include "sleb/base/json.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/text/gguf_vocabulary.h"

namespace sleb {

// config.json's content for the same model. Throws Error(bad_input) if its rope frequencies have no name there.
OrderedJson config_from_gguf(const GgufFile& file, const ModelSpec& spec);
// Every token that ends a text or a turn, the file's own eos first (gguf_end_of_text.h).
std::vector<int64_t> end_of_text_ids(const GgufFile& file);
// eos_token_id is all of them.
std::string generation_config_from_gguf(const GgufFile& file);

GgufVocabulary vocabulary_of(const GgufFile& file);

}  // namespace sleb
