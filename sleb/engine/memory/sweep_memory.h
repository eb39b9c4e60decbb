// What one sweep of an evaluator is going to take beside weights and kept states.
#pragma once

#include <cstdint>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/memory/weight_memory.h"

namespace sleb {

// One sweep of an evaluator, or a part of the run like it.
struct SweepSize {
  int64_t segments = 0;
  int64_t seqlen = 0;  // tokens
  int64_t states = 1;  // hidden states at the end, all of them alive
  // Whose logits a segment computes at a time on the CPU, before they are cut into slices; CUDA goes on over all scored
  // rows of a chunk. 0: one.
  int64_t scored_rows = 0;
  bool divergence = false;
  bool masks = false;          // of attention, spelled out: where sequences share their prompt
  int64_t chunk_segments = 0;  // 0: default_chunk_segments
};

// Bytes of one hidden state of a chunk.
uint64_t state_bytes(const ModelSpec& spec, const Compute& compute, const SweepSize& sweep);
// What a chunk takes beside weights and kept states.
struct SweepMemory {
  uint64_t states = 0;  // bytes of all hidden states together
  Footprint work = {};  // beside them: activations of the widest unit, slices of logits, rows of the embedding
};
SweepMemory sweep_memory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms,
                         const SweepSize& sweep);

}  // namespace sleb
