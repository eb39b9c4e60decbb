// The memory that a repair is going to take, chosen so that it fits.
#pragma once

#include <cstdint>
#include <optional>

#include "sleb/engine/memory/memory_plan.h"
#include "sleb/engine/memory/states_place.h"

namespace sleb {

struct RepairSize {
  int64_t segments;
  int64_t seqlen;         // tokens
  int64_t self_text = 0;  // tokens that the model writes before
};

struct RepairMemory {
  Residency residency;
  StatesPlace states_place = StatesPlace::memory;
  uint64_t states = 0;    // bytes of the states of the whole text: of two models, of a mixture once more
  uint64_t solving = 0;   // of the sums over tokens of the widest matrix, and of its solution
  Footprint growth = {};  // the peak above what the process has before the model is loaded; of a GPU on the GPU
};

struct RepairLimits {
  uint64_t free;                // bytes of the device
  uint64_t host_free;           // of the machine's memory, half of which states may take that the GPU has no room for
  uint64_t weights_memory = 0;  // bytes; 0: what is free
  std::optional<uint64_t> state_memory = {};  // bytes for states; beyond it they go to the disk
};

// The first of these that fits: everything on the device, states in the machine's memory, on the disk, blocks streamed
// too. Nothing if not even the last does. Throws what Residency::under_limit throws.
std::optional<RepairMemory> plan_repair_memory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms,
                                               const RepairSize& size, const RepairLimits& limits);
// Bytes with which it does.
uint64_t least_repair_memory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms,
                             const RepairSize& size);

}  // namespace sleb
