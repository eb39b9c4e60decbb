// What a run is going to take, from what the code allocates: computed before anything is loaded.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/plan.h"
#include "sleb/engine/residency.h"

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
  bool is_decoded;  // into float32 first; else copied from the mapped file
};
using StoredForms = std::function<StoredForm(const std::string& name)>;
StoredForms stored_forms(const Checkpoint& checkpoint);

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
  uint64_t others_;           // bytes of weights outside the blocks; the embedding stays in the file
  uint64_t block_;            // bytes of a block's weights
  Footprint block_loading_;   // the most while one is loaded, what is there of it already included
  Footprint others_loading_;  // the most on top of what is loaded of the others
};

// One sweep of an evaluator, or a part of the run like it.
struct SweepSize {
  int64_t segments = 0;
  int64_t seqlen = 0;       // tokens
  int64_t states = 1;       // hidden states at the end, all of them alive
  int64_t scored_rows = 0;  // whose logits a segment computes at a time, before they are cut into slices; 0: one
  bool divergence = false;
  int64_t chunk_segments = 0;  // 0: usual_chunk_segments
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

// What is run.
struct Workload {
  SweepSize search;                        // the widest sweep
  uint64_t useful_states = 0;              // bytes: more states than these are never kept between rounds
  std::optional<SweepSize> held_out = {};  // what comes after the search
  std::optional<SweepSize> prompt = {};
};
// The search's first round, the widest: every candidate and the dense model.
Workload search_workload(const ModelSpec& spec, const Compute& compute, std::span<const Plan> candidates,
                         const SweepSize& sizes);

// What may be chosen so that it fits; no result depends on weights and kept states.
struct MemoryChoice {
  Residency residency;
  uint64_t state_memory = 0;   // bytes, for states kept between rounds
  int64_t chunk_segments = 0;  // part of what makes losses repeat to the bit
};

struct MemoryPrediction {
  uint64_t weights = 0;   // bytes, of two streamed blocks included
  uint64_t states = 0;    // hidden states of one chunk
  uint64_t kept = 0;      // states kept between rounds
  uint64_t other = 0;     // the rest of what is there at the peak, but what the process has before
  Footprint growth = {};  // the peak above what the process has before the model is loaded
};

class MemoryPlan {
 public:
  MemoryPlan(const ModelSpec& spec, const Compute& compute, StoredForms forms, Workload workload);

  const WeightMemory& weights() const { return weights_; }
  int64_t usual_chunk() const;
  MemoryPrediction predict(const MemoryChoice& choice) const;

  // What the user left open is unset.
  struct Wishes {
    std::optional<uint64_t> weights_memory = {};
    std::optional<uint64_t> state_memory = {};
    std::optional<int64_t> chunk_segments = {};
  };
  // The first of these that fits in `free` bytes of anonymous memory, and which of them does: kept states take what is
  // left, at most a quarter of what weights leave; then smaller chunks, halved down to one segment; then blocks are
  // streamed, as few as possible, with chunks as large as possible. Nothing if none fits. With several devices, `free`
  // of each: what does not fit with all blocks on the first is spread over them before anything is streamed, which
  // happens on the first alone.
  std::optional<MemoryChoice> choose(std::span<const uint64_t> free, const Wishes& wishes) const;
  std::optional<MemoryChoice> choose(uint64_t free, const Wishes& wishes) const { return choose({&free, 1}, wishes); }
  // Bytes with which choose() finds something.
  uint64_t least(const Wishes& wishes) const;

 private:
  int64_t wanted_chunk(const Wishes& wishes) const;
  std::optional<MemoryChoice> choose_with(const Residency& residency, uint64_t free, const Wishes& wishes) const;
  std::optional<MemoryChoice> choose_spread(std::span<const uint64_t> free, const Wishes& wishes) const;
  std::optional<MemoryChoice> choose_streamed(uint64_t free, const Wishes& wishes) const;
  uint64_t needed(const MemoryChoice& choice) const { return predict(choice).growth.anonymous; }

  ModelSpec spec_;
  Compute compute_;
  StoredForms forms_;
  Workload workload_;
  WeightMemory weights_;
};

}  // namespace sleb
