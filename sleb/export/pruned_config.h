// config.json of a model with some blocks gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// Blocks that stay, in order.
std::vector<int64_t> kept_blocks(int64_t num_blocks, const std::vector<int64_t>& removal_list);

// What a server of models that others rely on computes otherwise than config.json says, as it goes by a block's number
// (docs/reference.md, "What vLLM and SGLang read"); "": nothing of this model.
std::string served_otherwise(const ModelSpec& spec, const std::vector<int64_t>& kept);

struct PrunedConfig {  // NOLINT(bugprone-exception-escape): nlohmann's move only asserts
  OrderedJson config;
  std::vector<std::string> warnings;  // keys that may speak of blocks and were left as they are; served_otherwise
};

// `config` is that of `spec`'s model. num_hidden_layers, or what the family calls it, becomes the number of kept
// blocks. Patterns of windows and of rope that the family's configuration knows become lists (layer_types,
// no_rope_layers), which transformers reads in their place. Lists that have one entry a block by their name
// (layer_types,
// ...) keep the kept blocks' entries, lists of block numbers (mlp_only_layers, ...) get the new ones; transformers
// refuses a file where they disagree. What is left alone with a warning: such a list that does not fit the model, a
// list of another name that happens to be as long as the model is deep, and numbers that count blocks
// (sliding_window_pattern, ...). `dtype`, where given, replaces what the file says of the weights' type. `label` begins
// warnings.
PrunedConfig prune_config(OrderedJson config, const ModelSpec& spec, const std::vector<int64_t>& kept,
                          const std::string& dtype, const std::string& label);

// In a quantization_config, every name of a module of a block ("model.layers.5.mlp.down_proj"), in lists (which modules
// are quantised, which are not) or as a member's name, gets the block's new number; those of removed blocks go.
// A pattern gets it too where it names one block by its number ("-:model\\.layers\\.5\\.mlp.*", GPTQModel's dynamic).
// Throws Error(bad_input), beginning with `place`, for a pattern that picks blocks by number otherwise, where numbers
// change.
void renumber_modules(OrderedJson& quantization, const std::vector<int64_t>& kept, const std::string& place);

// Its method; "bitsandbytes" where it names none, as transformers takes it.
std::string quantization_method(const OrderedJson& quantization);

// Adds modules to the quantization_config's list of those that are not quantised. `head`: what transformers leaves out
// by itself only as long as there is no list.
// Throws Error(bad_input) if the method has no such list (exclusion_list).
void exclude_modules(OrderedJson& quantization, const std::vector<std::string>& modules, const std::string& head);

}  // namespace sleb
