// Writes a GGUF's model with some blocks gone as a GGUF.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/export/gguf/gguf_output.h"

namespace sleb {

struct PrunedGguf {
  GgufContent content;
  std::vector<std::string> warnings;
};

// What is recorded in the file: sleb.version and these.
struct GgufRecord {
  std::string source;                   // sleb.source: what the user calls the model it comes from
  std::vector<int64_t> removed_blocks;  // sleb.removed_blocks, numbered as there; sleb.source_block_count beside it
};

void add_record(GgufEntries& entries, const GgufRecord& record, int64_t num_blocks);

// The tensors keep their bytes, types and order; those of blocks get their blocks' new numbers. What was put in a
// tensor's place (Checkpoint::replace) is written in its own type. Both arguments have to outlive the result.
// Throws Error(bad_input) if the architecture tells by a block's number, or by how many there are, what a block
// computes, so that the kept ones would be read as others.
PrunedGguf prune_gguf(const Checkpoint& checkpoint, const GgufRecord& record);

}  // namespace sleb
