#include "sleb/engine/plans/plan.h"

#include <algorithm>

namespace sleb {

Plan Plan::without_blocks(std::span<const int64_t> blocks) {
  Plan plan;
  for (const int64_t block : blocks) plan.bypass_block(block);
  return plan;
}

Plan& Plan::bypass(Unit unit) {
  const auto place = std::ranges::lower_bound(bypassed_, unit);
  if (place == bypassed_.end() || *place != unit) bypassed_.insert(place, unit);
  return *this;
}

Plan& Plan::bypass_block(int64_t block) {
  return bypass({block, Half::attention}).bypass({block, Half::mlp});
}

Plan Plan::before(int64_t depth) const {
  Plan plan;
  const auto end = std::ranges::lower_bound(bypassed_, depth, {}, depth_of);
  plan.bypassed_.assign(bypassed_.begin(), end);
  return plan;
}

bool Plan::bypasses(Unit unit) const {
  return std::ranges::binary_search(bypassed_, unit);
}

}  // namespace sleb
