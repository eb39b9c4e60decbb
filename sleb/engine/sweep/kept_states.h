// Hidden states that one sweep over the corpus leaves for the next, under a limit of memory. Inside the engine only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "sleb/engine/plans/plan.h"

namespace sleb {

// A part of the corpus that is computed at once.
struct ChunkId {
  int64_t number;
  int64_t tokens;  // of each segment, from its first on
  auto operator<=>(const ChunkId&) const = default;
};

class KeptStates {
 public:
  explicit KeptStates(uint64_t limit) : limit_(limit) {}

  uint64_t limit() const { return limit_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t bytes_of(ChunkId chunk) const;

  // The deepest place at which a state of the plan is kept; 0: none.
  int64_t deepest(ChunkId chunk, const Plan& plan) const;
  // Undefined where there is none. Whoever changes the tensor's memory must be its only holder.
  at::Tensor find(ChunkId chunk, const Plan& plan, int64_t depth) const;

  // Forgets what is kept of a chunk but the plans' own states at these depths (ascending).
  void forget_all_but(ChunkId chunk, std::span<const Plan> plans, std::span<const int64_t> depths);
  // Keeps a state of the plan, unless it is kept already or does not fit any more.
  void keep(ChunkId chunk, const Plan& plan, int64_t depth, const at::Tensor& state);

 private:
  // By what decides on the bits of a state: its depth, and which units before it were bypassed.
  using ByDepth = std::map<int64_t, std::map<Plan, at::Tensor>>;

  uint64_t limit_;
  uint64_t bytes_ = 0;
  std::map<ChunkId, ByDepth> states_;
};

}  // namespace sleb
