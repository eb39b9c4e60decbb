// In which order a set of plans is computed so that what they share is computed once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sleb/engine/plans/plan.h"

namespace sleb {

// One unit applied to one hidden state. States are numbered slots.
struct ScheduleStep {
  Unit unit;
  int64_t source;
  int64_t target;  // == source: no plan needs the old state any more, so it may be overwritten
};

// The state in a slot before the unit at `depth` (depth_of); at twice the number of blocks, the last one.
struct ScheduledState {
  int64_t slot;
  int64_t depth;
  size_t plan;  // one of those that share it
  size_t step;  // it is there before steps[step]
};

// Plans that bypass the same units up to some depth share one state up to there (a prefix tree, walked layer by layer).
struct Schedule {
  std::vector<ScheduledState> starts;    // what has to be there to begin with; at depth 0 the embedding, in slot 0
  std::vector<ScheduleStep> steps;       // by unit: each unit's weights are in use once
  std::vector<ScheduledState> observed;  // the states at the depths asked for, by step
  std::vector<int64_t> final_states;     // [plans]: the slot that holds a plan's last hidden state
  int64_t num_states = 0;                // slots, all of them alive after the last step
};

struct ScheduleOptions {
  std::vector<int64_t> starts = {};    // [plans]: at this depth the plan's state is there already; empty: all 0
  std::vector<int64_t> observed = {};  // depths, ascending
};

// `starts` must be the same for plans that share their state at that depth.
Schedule make_schedule(std::span<const Plan> plans, int64_t num_blocks, const ScheduleOptions& options = {});

}  // namespace sleb
