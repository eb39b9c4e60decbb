#include "sleb/engine/sweep/kept_states.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "sleb/engine/decoder/aten.h"

namespace sleb {

uint64_t KeptStates::bytes_of(ChunkId chunk) const {
  const auto found = states_.find(chunk);
  if (found == states_.end()) return 0;
  uint64_t bytes = 0;
  for (const auto& [depth, states] : found->second) {
    for (const auto& [bypassed, state] : states) bytes += state.nbytes();
  }
  return bytes;
}

int64_t KeptStates::deepest(ChunkId chunk, const Plan& plan) const {
  const auto found = states_.find(chunk);
  if (found == states_.end()) return 0;
  for (const auto& [depth, states] : std::views::reverse(found->second)) {
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
  return state == at_depth->second.end() ? at::Tensor() : state->second;
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
      bytes_ -= kept.second.nbytes();
      return true;
    });
  }
}

void KeptStates::keep(ChunkId chunk, const Plan& plan, int64_t depth, const at::Tensor& state) {
  if (bytes_ + state.nbytes() > limit_) return;
  if (states_[chunk][depth].try_emplace(plan.before(depth), state).second) bytes_ += state.nbytes();
}

}  // namespace sleb
