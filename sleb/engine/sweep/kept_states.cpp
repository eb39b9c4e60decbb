#include "sleb/engine/sweep/kept_states.h"

#include <algorithm>
#include <ranges>
#include <set>
#include <utility>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
uint64_t KeptStates::bytes_of(ChunkId chunk) const {
  const auto found = states_.find(chunk);
  if (found == states_.end()) return 0;
  uint64_t bytes = 0;
  for (const auto& [depth, states] : found->second) {
    for (const auto& [bypassed, state] : states) bytes += state.tensor.nbytes();
  }
  return bytes;
}

int64_t KeptStates::deepest(ChunkId chunk, const Plan& plan) const {
  const auto found = states_.find(chunk);
  if (found == states_.end()) return 0;
  const ByDepth& depths = found->second;
  for (auto place = depths.rbegin(); place != depths.rend(); ++place) {
    const auto& [depth, states] = *place;
    if (states.contains(plan.before(depth))) return depth;
  }
  return 0;
}

at::Tensor KeptStates::find(ChunkId chunk, const Plan& plan, int64_t depth) const {
  const auto of_chunk = states_.find(chunk);
  if (of_chunk == states_.end()) return {};
  const auto at_depth = of_chunk->second.find(depth);
  if (at_depth == of_chunk->second.end()) return {};
  const auto state = at_depth->second.find(plan.before(depth));
  if (state == at_depth->second.end()) return {};
  return state->second.tensor.to(state->second.device, /*non_blocking=*/true);
}

void KeptStates::forget_all_but(ChunkId chunk, std::span<const Plan> plans, std::span<const int64_t> depths) {
  const auto found = states_.find(chunk);
  if (found == states_.end()) return;
  for (auto& [depth, states] : found->second) {
    std::set<Plan> wanted;
    if (std::ranges::binary_search(depths, depth)) {
      for (const Plan& plan : plans) wanted.insert(plan.before(depth));
    }
    std::erase_if(states, [&](const auto& kept) {
      if (wanted.contains(kept.first)) return false;
      (kept.second.is_on_host ? host_bytes_ : bytes_) -= kept.second.tensor.nbytes();
      if (kept.second.is_on_host) host_memory_.give_back(kept.second.tensor, kept.second.device);
      return true;
    });
  }
}

void KeptStates::keep(ChunkId chunk, const Plan& plan, int64_t depth, const at::Tensor& state) {
  const bool is_on_host = bytes_ + state.nbytes() > limit_;
  if (is_on_host && host_bytes_ + state.nbytes() > host_limit_) return;
  auto& at_depth = states_[chunk][depth];
  Plan before = plan.before(depth);
  if (at_depth.contains(before)) return;
  at::Tensor tensor = state;
  if (is_on_host) {
    tensor = host_memory_.take(state);
    if (!tensor.defined()) return;
    tensor.copy_(state, /*non_blocking=*/true);  // in the order of the device's work: neither side waits
  }
  at_depth.emplace(std::move(before), State{tensor, state.device(), is_on_host});
  (is_on_host ? host_bytes_ : bytes_) += state.nbytes();
}

}  // namespace sleb
