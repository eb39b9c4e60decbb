// The table of model families: a new family is a new row.
#pragma once

#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// Where a family keeps the numbers in config.json, and what its configuration class assumes where one is absent.
struct ConfigDefaults {
  int64_t num_kv_heads;    // 0: as many as heads
  int64_t sliding_window;  // 0: none
  int64_t max_positions;
};

struct Family {
  std::string_view model_type;         // config.json's model_type
  std::string_view architecture;       // transformers' class
  std::string_view gguf_architecture;  // general.architecture; empty if GGUF files call it by another family's name
  ConfigDefaults defaults;
  TensorNames names;
};

const std::vector<Family>& families();

// Throw Error(bad_input), naming file and field. The family comes from model_type, or general.architecture.
ModelSpec spec_from_config(const JsonView& config);
ModelSpec spec_from_gguf(const GgufFile& file);

// The GGUF's tensor name for a Hugging Face name ("model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight"), as
// llama.cpp's tensor table has it.
std::string gguf_part_name(int64_t block, Part part);

}  // namespace sleb
