#include "sleb/engine/sweep/work_division.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// Every plan has its own cost, and each range one of its own on top.
struct Costs {
  std::vector<double> of_plan;
  double of_range = 0;

  double operator()(int64_t, PlanRange range) const {
    if (range.size() == 0) return 0;
    return std::accumulate(of_plan.begin() + static_cast<int64_t>(range.begin),
                           of_plan.begin() + static_cast<int64_t>(range.end), of_range);
  }
  double longest(const std::vector<PlanRange>& ranges) const {
    double longest = 0;
    for (const PlanRange& range : ranges) longest = std::max(longest, (*this)(0, range));
    return longest;
  }
};

// The best there is, by trying every boundary.
double best_of_all(const Costs& costs, size_t begin, int64_t processes) {
  const size_t plans = costs.of_plan.size();
  if (processes == 1) return costs(0, {begin, plans});
  double best = costs(0, {begin, plans});
  for (size_t end = begin; end <= plans; ++end) {
    best = std::min(best, std::max(costs(0, {begin, end}), best_of_all(costs, end, processes - 1)));
  }
  return best;
}

void expect_covers(const std::vector<PlanRange>& ranges, size_t plans, int64_t processes) {
  ASSERT_EQ(static_cast<int64_t>(ranges.size()), processes);
  size_t next = 0;
  for (const PlanRange& range : ranges) {
    EXPECT_EQ(range.begin, next);
    EXPECT_LE(range.begin, range.end);
    next = range.end;
  }
  EXPECT_EQ(next, plans);
}

TEST(DividePlans, IsAsGoodAsTryingEveryBoundary) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> cost(0.1, 3);
  for (int trial = 0; trial < 60; ++trial) {
    Costs costs{std::vector<double>(1 + random() % 12), trial % 3 == 0 ? 0 : cost(random)};
    for (double& value : costs.of_plan) value = cost(random);
    const auto processes = static_cast<int64_t>(1 + random() % 4);
    const auto ranges = divide_plans(costs.of_plan.size(), processes, costs);
    expect_covers(ranges, costs.of_plan.size(), processes);
    EXPECT_LE(costs.longest(ranges), 1.002 * best_of_all(costs, 0, processes));
  }
}

TEST(DividePlans, ProcessesMayHaveNothing) {
  const auto ranges = divide_plans(2, 5, Costs{{1, 1}, 0});
  expect_covers(ranges, 2, 5);
  EXPECT_EQ(std::ranges::count_if(ranges, [](PlanRange range) { return range.size() == 1; }), 2);
}

TEST(DividePlans, FollowsWhatEachProcessHasAlready) {
  // The second process has the last three plans' beginnings: they cost it next to nothing.
  const auto cost = [](int64_t process, PlanRange range) {
    double sum = 0;
    for (size_t plan = range.begin; plan < range.end; ++plan) sum += process == 1 && plan >= 1 ? 0.1 : 1;
    return sum;
  };
  EXPECT_EQ(divide_plans(4, 2, cost), (std::vector<PlanRange>{{0, 1}, {1, 4}}));
}

TEST(DividePlans, NothingToDivide) {
  expect_covers(divide_plans(0, 3, Costs{}), 0, 3);
}

TEST(PartLosses, ArriveAsTheyWereSent) {
  const PartLosses part{{{{1.5, 2.5}, {0.1, 0.2}}, {{3.5, 4.5}, {0.3, 1e-300}}}, 7e15};
  const PartLosses arrived = part_losses_of(message_of(part), 2, 2, true);
  EXPECT_EQ(arrived.operations, part.operations);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(arrived.losses[i].nll, part.losses[i].nll);
    EXPECT_EQ(arrived.losses[i].divergence, part.losses[i].divergence);
  }
  EXPECT_EQ(part_losses_of(message_of(PartLosses{{}, 1}), 0, 2, false).losses.size(), 0U);
}

TEST(PartLosses, RefuseAnotherCount) {
  const std::string message = message_of(PartLosses{{{{1, 2}, {}}}, 0});
  EXPECT_THROW(part_losses_of(message, 2, 2, false), Error);
  EXPECT_THROW(part_losses_of(message, 1, 2, true), Error);
  EXPECT_THROW(part_losses_of(message + "x", 1, 2, false), Error);
  EXPECT_THROW(part_losses_of("", 1, 2, false), Error);
}

}  // namespace
}  // namespace sleb
