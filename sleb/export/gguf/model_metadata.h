// A model's configuration and vocabulary as metadata of a GGUF, the way llama.cpp's converter writes them
// (conversion/base.py and its neighbours).
#pragma once

#include <string>

#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/formats/gguf/writer.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/text/gguf_vocabulary.h"

namespace sleb {

// Keys of the architecture. What they can't say of the model is for the caller to find out, by reading them again.
void add_model(GgufEntries& entries, const ModelSpec& spec, const Family& family);

// tokenizer.ggml.* and tokenizer.chat_template.
void add_vocabulary(GgufEntries& entries, const GgufVocabulary& vocabulary);

}  // namespace sleb
