// A model for the tests of what is planned about memory.
#pragma once

#include <string>

#include "sleb/base/json.h"
#include "sleb/checkpoint/families.h"
#include "sleb/engine/memory/weight_memory.h"

namespace sleb {

// Wide enough that weights and states are megabytes: a block has 2,752,512 parameters in its matrices, the head
// 262,144.
inline ModelSpec small_spec() {
  const Json config = {{"model_type", "llama"},     {"num_hidden_layers", 6},   {"hidden_size", 512},
                       {"intermediate_size", 1280}, {"num_attention_heads", 8}, {"num_key_value_heads", 4},
                       {"vocab_size", 512},         {"rms_norm_eps", 1e-5}};
  return spec_from_config(JsonView(config, "config.json"));
}

inline const Compute float32{"cpu", "float32", 1};
inline const Compute bfloat16{"cpu", "bfloat16", 1};

// All tensors alike, copied from the mapped file.
inline StoredForms plain(uint64_t bytes) {
  return [bytes](const std::string&) { return StoredForm{bytes, false}; };
}

}  // namespace sleb
