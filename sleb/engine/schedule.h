// In which order a set of plans is computed so that what they share is computed once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sleb/engine/plan.h"

namespace sleb {

// One unit applied to one hidden state. States are numbered slots; slot 0 begins as the embedding.
struct ScheduleStep {
  Unit unit;
  int64_t source;
  int64_t target;  // == source: no plan needs the old state any more, so it may be overwritten
};

// Plans that bypass the same units up to some depth share one state up to there (a prefix tree, walked layer by layer).
struct Schedule {
  std::vector<ScheduleStep> steps;    // by unit: each unit's weights are in use once
  std::vector<int64_t> final_states;  // [plans]: the slot that holds a plan's last hidden state
  int64_t num_states = 0;             // slots, all of them alive after the last step
};

Schedule make_schedule(std::span<const Plan> plans, int64_t num_blocks);

}  // namespace sleb
