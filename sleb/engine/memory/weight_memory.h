// What a model's weights are going to take, from what the code allocates.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/plans/plan.h"
#include "sleb/engine/plans/residency.h"

namespace sleb {

// Bytes of memory. `resident`: all that stands in memory, pages of mapped files included; `anonymous`: without those,
// which the system takes back when it needs memory.
struct Footprint {
  uint64_t resident = 0;
  uint64_t anonymous = 0;

  static Footprint of(uint64_t anonymous, uint64_t mapped = 0) { return {anonymous + mapped, anonymous}; }
  Footprint operator+(const Footprint& other) const { return {resident + other.resident, anonymous + other.anonymous}; }
};
// Of two that are not there together.
Footprint larger(const Footprint& one, const Footprint& other);

// How the checkpoint holds a tensor, by its name with ending.
struct StoredForm {
  uint64_t bytes;
  bool is_decoded;         // into float32 first; else copied from the mapped file
  int64_t int4_group = 0;  // Checkpoint::int4_group
};
using StoredForms = std::function<StoredForm(const std::string& name)>;
StoredForms stored_forms(const Checkpoint& checkpoint);

// By how many bytes the weights that a plan keeps are smaller for those among them that stay packed.
uint64_t saved_by_packing(const ModelSpec& spec, const Compute& compute, const StoredForms& forms, const Plan& plan);

// A model's weights on their way into memory and there.
class WeightMemory {
 public:
  WeightMemory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms);

  // Of a limit given in bytes, or of none. Throws what Residency::under_limit throws.
  Residency residency(uint64_t limit) const { return Residency::under_limit(limit, others_, block_, num_blocks_); }
  Residency all() const { return Residency::unbounded(others_, block_, num_blocks_); }
  // All, on devices with so much room for them; nothing if they don't fit.
  std::optional<Residency> spread(std::span<const uint64_t> room) const {
    return Residency::spread(room, others_, block_, num_blocks_);
  }
  // With no block resident.
  uint64_t least() const;
  // While what is resident is loaded, one weight after the other.
  Footprint loading(const Residency& residency) const;
  // While computing: two streamed blocks beside what is resident, one of them being loaded.
  Footprint held(const Residency& residency) const;

 private:
  int64_t num_blocks_;
  uint64_t others_;           // bytes of weights outside the blocks; on the CPU the embedding stays in the file
  uint64_t block_;            // bytes of a block's weights, of packed ones of the largest block's
  Footprint block_loading_;   // the most while one is loaded, what is there of it already included
  Footprint others_loading_;  // the most on top of what is loaded of the others
};

}  // namespace sleb
