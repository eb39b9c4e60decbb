#include "sleb/engine/plans/schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace sleb {
namespace {

// Runs a schedule on states that are lists of applied units.
std::vector<std::vector<Unit>> run(const Schedule& schedule) {
  std::map<int64_t, std::vector<Unit>> states{{0, {}}};
  for (const ScheduleStep& step : schedule.steps) {
    auto state = states.at(step.source);
    state.push_back(step.unit);
    states[step.target] = std::move(state);
  }
  EXPECT_EQ(static_cast<int64_t>(states.size()), schedule.num_states);
  std::vector<std::vector<Unit>> result;
  for (const int64_t slot : schedule.final_states) result.push_back(states.at(slot));
  return result;
}

std::vector<Unit> expected(const Plan& plan, int64_t num_blocks) {
  std::vector<Unit> units;
  for (int64_t block = 0; block < num_blocks; ++block) {
    for (const Half half : {Half::attention, Half::mlp}) {
      if (!plan.bypasses({block, half})) units.push_back({block, half});
    }
  }
  return units;
}

TEST(Schedule, RandomPlansGetExactlyTheirUnitsInOrder) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    const auto num_blocks = static_cast<int64_t>(1 + random() % 7);
    std::vector<Plan> plans(1 + random() % 9);
    for (Plan& plan : plans) {
      for (int64_t block = 0; block < num_blocks; ++block) {
        for (const Half half : {Half::attention, Half::mlp}) {
          if (random() % 3 == 0) plan.bypass({block, half});
        }
      }
    }
    const auto states = run(make_schedule(plans, num_blocks));
    for (size_t i = 0; i < plans.size(); ++i) EXPECT_EQ(states[i], expected(plans[i], num_blocks));
  }
}

TEST(Schedule, OneRemovedBlockEachSharesThePrefix) {
  constexpr int64_t num_blocks = 10;
  std::vector<Plan> plans;
  for (int64_t block = 1; block < num_blocks; ++block) plans.push_back(Plan().bypass_block(block));
  const Schedule schedule = make_schedule(plans, num_blocks);
  // The trunk runs blocks 0 to 8 (the last candidate bypasses block 9), candidate b the blocks after b; two units each.
  EXPECT_EQ(schedule.steps.size(), 2 * (9 + 8 * 9 / 2));
  EXPECT_EQ(schedule.num_states, 9);
}

// Every plan may begin at a state of its own, and what it passes on its way is observed.
TEST(Schedule, RandomStartsAndObservedDepths) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 300; ++trial) {
    const auto num_blocks = static_cast<int64_t>(1 + random() % 6);
    std::vector<Plan> plans(1 + random() % 6);
    ScheduleOptions options;
    for (Plan& plan : plans) {
      for (int64_t block = 0; block < num_blocks; ++block) {
        if (random() % 3 == 0) plan.bypass_block(block);
      }
    }
    const auto kept = static_cast<int64_t>(random() % static_cast<unsigned>(2 * num_blocks + 1));
    const Plan of_kept = plans[0].before(kept);
    for (const Plan& plan : plans) options.starts.push_back(plan.before(kept) == of_kept ? kept : 0);
    for (int64_t depth = 0; depth <= 2 * num_blocks; ++depth) {
      if (random() % 2 == 0) options.observed.push_back(depth);
    }
    const Schedule schedule = make_schedule(plans, num_blocks, options);
    const auto units_to = [&](const Plan& plan, int64_t depth) {
      auto units = expected(plan, num_blocks);
      std::erase_if(units, [&](Unit unit) { return depth_of(unit) >= depth; });
      return units;
    };
    std::map<int64_t, std::vector<Unit>> states;
    for (const ScheduledState& start : schedule.starts) {
      EXPECT_EQ(start.depth, options.starts[start.plan]);
      states[start.slot] = units_to(plans[start.plan], start.depth);
    }
    auto next = schedule.observed.begin();
    std::set<std::pair<int64_t, Plan>> seen;
    for (size_t i = 0; i <= schedule.steps.size(); ++i) {
      for (; next != schedule.observed.end() && next->step == i; ++next) {
        EXPECT_EQ(states.at(next->slot), units_to(plans[next->plan], next->depth));
        EXPECT_TRUE(seen.emplace(next->depth, plans[next->plan].before(next->depth)).second);
      }
      if (i == schedule.steps.size()) break;
      auto state = states.at(schedule.steps[i].source);
      state.push_back(schedule.steps[i].unit);
      states[schedule.steps[i].target] = std::move(state);
    }
    EXPECT_EQ(next, schedule.observed.end());
    for (size_t i = 0; i < plans.size(); ++i) {
      EXPECT_EQ(states.at(schedule.final_states[i]), expected(plans[i], num_blocks));
      for (const int64_t depth : options.observed) {
        EXPECT_TRUE(depth < options.starts[i] || seen.contains({depth, plans[i].before(depth)}));
      }
    }
  }
}

TEST(Schedule, EveryUnitIsVisitedOnceAndEqualPlansShareAState) {
  const std::vector<Plan> plans = {Plan(), Plan().bypass_block(1), Plan()};
  const Schedule schedule = make_schedule(plans, 3);
  EXPECT_EQ(schedule.final_states[0], schedule.final_states[2]);
  std::set<Unit> left;
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    if (i > 0 && schedule.steps[i].unit != schedule.steps[i - 1].unit) left.insert(schedule.steps[i - 1].unit);
    EXPECT_FALSE(left.contains(schedule.steps[i].unit));
  }
}

}  // namespace
}  // namespace sleb
