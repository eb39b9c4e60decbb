// At which depths hidden states are worth keeping for later sweeps.
//
// A search round evaluates plans; the next round's plans extend one of them. If that is plan i, they agree with this
// round's up to the first unit that only i bypasses, and states kept there need not be computed again: one for each
// group of plans that have parted before. The deeper the place, the more they save, and the more of them there are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sleb/engine/plans/plan.h"

namespace sleb {

// A plan that later calls are going to extend, and how likely that is (in any unit).
struct LikelyPlan {
  Plan plan;
  double chance = 1;
};

struct ResumeDepth {
  int64_t depth;   // depth_of
  int64_t states;  // distinct states of the plans there
  int64_t units;   // applied to states before it, all plans together
  double chance;   // that later plans agree with these up to here and no further
};

// Where plans that extend one of `likely` part from `plans`, ascending.
std::vector<ResumeDepth> resume_depths(std::span<const Plan> plans, std::span<const LikelyPlan> likely,
                                       int64_t num_blocks);

// Depths, ascending, whose states are `max_states` at most together: one after the other, the depth that adds most to
// the expected saving per state.
std::vector<int64_t> choose_depths(std::span<const ResumeDepth> depths, int64_t max_states);

// Units that a later sweep is expected not to compute again when states are kept at `kept` (ascending): from the
// deepest kept place that its plans still agree with these.
double expected_saving(std::span<const ResumeDepth> depths, std::span<const int64_t> kept);

}  // namespace sleb
