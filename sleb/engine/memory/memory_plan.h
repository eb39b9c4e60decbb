// What a run is going to take, from what the code allocates: computed before anything is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/memory/sweep_memory.h"
#include "sleb/engine/memory/weight_memory.h"
#include "sleb/engine/plans/plan.h"
#include "sleb/engine/plans/residency.h"

namespace sleb {

// Of a GPU's free bytes, what is not planned with: libtorch's allocator rounds, and kernels and the workspaces of the
// matrix libraries take about 1 GiB however small the device.
uint64_t left_to_libtorch(uint64_t free);

// Bytes that states of a GPU's may take in the machine's memory, pinned, of so many that are available there. The pages
// of the files that blocks are streamed from are left to them. libtorch takes pinned memory in powers of two, so that a
// quarter may become half.
uint64_t host_state_limit(uint64_t available, uint64_t streamed_files);

// What is run.
struct Workload {
  SweepSize search;                     // the widest sweep
  uint64_t useful_states = 0;           // bytes: more states than these are never kept between rounds
  std::optional<SweepSize> texts = {};  // what comes after the search
  std::optional<SweepSize> tasks = {};
  std::optional<SweepSize> prompt = {};
  uint64_t writing = 0;  // bytes that texts take beside the weights while the model writes them, before the search
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
  int64_t default_chunk() const;
  MemoryPrediction predict(const MemoryChoice& choice) const;

  // What the user asked for; what they left open is unset.
  struct Preferences {
    std::optional<uint64_t> weights_memory = {};
    std::optional<uint64_t> state_memory = {};
    std::optional<int64_t> chunk_segments = {};
  };
  // The first of these that fits in `free` bytes of anonymous memory, and which of them does: kept states take what is
  // left, at most a quarter of what weights leave, of a GPU three quarters; then smaller chunks, halved down to one
  // segment; then blocks are streamed, as few as possible, with chunks as large as possible. Nothing if none fits. With
  // several devices, `free` of each: what does not fit with all blocks on the first is spread over them before anything
  // is streamed, which happens on the first alone.
  std::optional<MemoryChoice> choose(std::span<const uint64_t> free, const Preferences& preferences) const;
  std::optional<MemoryChoice> choose(uint64_t free, const Preferences& preferences) const {
    return choose({&free, 1}, preferences);
  }
  // Bytes with which choose() finds something.
  uint64_t least(const Preferences& preferences) const;

 private:
  int64_t wanted_chunk(const Preferences& preferences) const;
  std::optional<MemoryChoice> choose_with(const Residency& residency, uint64_t free,
                                          const Preferences& preferences) const;
  std::optional<MemoryChoice> choose_spread(std::span<const uint64_t> free, const Preferences& preferences) const;
  std::optional<MemoryChoice> choose_streamed(uint64_t free, const Preferences& preferences) const;
  uint64_t needed(const MemoryChoice& choice) const { return predict(choice).growth.anonymous; }

  ModelSpec spec_;
  Compute compute_;
  StoredForms forms_;
  Workload workload_;
  WeightMemory weights_;
};

}  // namespace sleb
