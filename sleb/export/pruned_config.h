// config.json of a model with some blocks gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// Blocks that stay, in order.
std::vector<int64_t> kept_blocks(int64_t num_blocks, const std::vector<int64_t>& removal_list);

// num_hidden_layers becomes the number of kept blocks, and every list with one entry a block (layer_types, windows,
// ...) keeps the kept blocks' entries; transformers refuses a file where they disagree. `dtype`, where given, replaces
// what the file says of the weights' type.
OrderedJson prune_config(OrderedJson config, const std::vector<int64_t>& kept, const std::string& dtype);

// In a quantization_config, every name of a module of a block ("model.layers.5.mlp.down_proj"), in lists (which modules
// are quantised, which are not) or as a member's name, gets the block's new number; those of removed blocks go.
// Throws Error(bad_input), beginning with `place`, for a pattern that picks blocks by number, where numbers change.
void renumber_modules(OrderedJson& quantization, const std::vector<int64_t>& kept, const std::string& place);

}  // namespace sleb
