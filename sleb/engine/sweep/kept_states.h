// Hidden states that one sweep over the corpus leaves for the next, under limits of memory. Inside the engine only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "sleb/engine/decoder/pinned_pieces.h"
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
  // Bytes on the device, and in the machine's memory for what does not fit there: on the way back a state takes a
  // fraction of the time that even one block takes to compute.
  explicit KeptStates(uint64_t limit, uint64_t host_limit = 0)
      : limit_(limit), host_limit_(host_limit), host_memory_(host_limit) {}

  uint64_t limit() const { return limit_ + host_limit_; }
  uint64_t bytes() const { return bytes_ + host_bytes_; }
  uint64_t bytes_of(ChunkId chunk) const;

  // The deepest place at which a state of the plan is kept; 0: none.
  int64_t deepest(ChunkId chunk, const Plan& plan) const;
  // On the device that it was on; undefined where there is none. Whoever changes the tensor's memory must be its only
  // holder.
  at::Tensor find(ChunkId chunk, const Plan& plan, int64_t depth) const;

  // Forgets what is kept of a chunk but the plans' own states at these depths (ascending).
  void forget_all_but(ChunkId chunk, std::span<const Plan> plans, std::span<const int64_t> depths);
  // Keeps a state of the plan, unless it is kept already or does not fit any more.
  void keep(ChunkId chunk, const Plan& plan, int64_t depth, const at::Tensor& state);

 private:
  // By what decides on the bits of a state: its depth, and which units before it were bypassed.
  struct State {
    at::Tensor tensor;
    at::Device device;
    bool is_on_host;  // a copy, in pinned memory
  };
  using ByDepth = std::map<int64_t, std::map<Plan, State>>;

  uint64_t limit_;
  uint64_t host_limit_;
  uint64_t bytes_ = 0;
  uint64_t host_bytes_ = 0;
  PinnedPieces host_memory_;
  std::map<ChunkId, ByDepth> states_;
};

}  // namespace sleb
