// config.json as a GGUF file's metadata say it, with llama.cpp's defaults.
#pragma once

#include "sleb/base/json.h"
#include "sleb/checkpoint/configuration/gguf_metadata.h"
#include "sleb/checkpoint/families.h"

namespace sleb {

// The family's configuration, but for token ids and tensors that change rope. Throws Error(bad_input), naming file and
// key, for what such a configuration can't express.
OrderedJson model_config_from_gguf(const ModelMetadata& metadata, const Family& family);

// The key of metadata that is read for a setting, without the architecture in front; empty where there is none.
std::string_view metadata_key(Setting setting, const Family& family);

// llama.cpp's numbers of how a router's logits become scores (src/llama-hparams.h), under expert_gating_func.
inline constexpr int64_t gating_softmax = 1, gating_sigmoid = 2;

// What config.json calls it.
std::string_view hidden_act(Activation activation);

}  // namespace sleb
