// Metadata of a GGUF with some blocks gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/formats/gguf/writer.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

struct PrunedGgufMetadata {
  GgufEntries entries;
  std::vector<std::string> warnings;  // one line each for the user
};

// All of `file`'s in its order, byte for byte, but for: block_count; general.name, which gets " (5 of 6 blocks)" behind
// it, where the file has a name; lists that have one entry a block by their key (feed_forward_length, ...), which keep
// the kept blocks' entries. Where blocks have windows by their number, attention.sliding_window_pattern says it for
// each block now, as llama.cpp reads it too. Keys of a split and of an earlier run of sleb are left out. What is left
// alone with a warning: a list of another key that is as long as the model is deep, and a list of blocks that is not.
PrunedGgufMetadata prune_gguf_metadata(const GgufFile& file, const ModelSpec& spec, const std::vector<int64_t>& kept);

// Whether llama.cpp takes a deepseek2 model of that depth for one whose queries come from the hidden state, whatever
// its metadata say (src/models/deepseek2.cpp).
bool is_taken_for_lite(int64_t num_blocks, int64_t vocabulary_size);
// What to say of it, behind the place of attention.q_lora_rank.
std::string lite_warning(int64_t num_blocks);

}  // namespace sleb
