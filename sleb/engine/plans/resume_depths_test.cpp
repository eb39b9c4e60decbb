#include "sleb/engine/plans/resume_depths.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sleb {
namespace {

constexpr int64_t num_blocks = 10;

std::vector<Plan> candidates() {
  std::vector<Plan> plans;
  for (int64_t block = 1; block < num_blocks - 1; ++block) plans.push_back(Plan().bypass_block(block));
  return plans;
}

std::vector<LikelyPlan> evenly(const std::vector<Plan>& plans) {
  std::vector<LikelyPlan> likely;
  for (const Plan& plan : plans) likely.push_back({plan});
  return likely;
}

TEST(ResumeDepths, AreWhereTheCandidatesPart) {
  const auto plans = candidates();
  const auto depths = resume_depths(plans, evenly(plans), num_blocks);
  ASSERT_EQ(depths.size(), 8U);
  for (int64_t block = 1; block < num_blocks - 1; ++block) {
    const ResumeDepth& place = depths[static_cast<size_t>(block - 1)];
    EXPECT_EQ(place.depth, 2 * block);
    // Candidates before it, one state each, and the state that all others share.
    EXPECT_EQ(place.states, block);
    // The trunk, and after each candidate c before it the blocks from c + 1 on; two units each.
    EXPECT_EQ(place.units, 2 * (block + (block - 1) * (block - 2) / 2));
    EXPECT_DOUBLE_EQ(place.chance, 1.0 / 8);
  }
}

TEST(ResumeDepths, BlocksRemovedBeforeDoNotCount) {
  std::vector<Plan> plans = candidates();
  for (Plan& plan : plans) plan.bypass_block(5);
  std::erase(plans, Plan().bypass_block(5));
  const auto depths = resume_depths(plans, evenly(plans), num_blocks);
  ASSERT_EQ(depths.size(), 7U);
  EXPECT_EQ(depths[0].depth, 2);
  EXPECT_EQ(depths.back().depth, 2 * (num_blocks - 2));
}

TEST(ResumeDepths, NothingLikelyNothingKept) {
  EXPECT_TRUE(resume_depths(candidates(), {}, num_blocks).empty());
  const std::vector<LikelyPlan> dense(1);
  EXPECT_TRUE(resume_depths(candidates(), dense, num_blocks).empty());
}

TEST(ChooseDepths, EverythingWhereThereIsRoom) {
  const auto plans = candidates();
  const auto depths = resume_depths(plans, evenly(plans), num_blocks);
  EXPECT_EQ(choose_depths(depths, 1000).size(), 8U);
  EXPECT_EQ(choose_depths(depths, 36).size(), 8U);  // 1 + 2 + ... + 8
  EXPECT_EQ(choose_depths(depths, 35).size(), 7U);
  EXPECT_TRUE(choose_depths(depths, 0).empty());
}

TEST(ChooseDepths, AreThoseOfTheLikelyPlans) {
  const auto plans = candidates();
  auto likely = evenly(plans);
  for (auto& one : likely) one.chance = one.plan == Plan().bypass_block(6) ? 1 : 1e-3;
  const auto depths = resume_depths(plans, likely, num_blocks);
  const auto chosen = choose_depths(depths, 6);
  EXPECT_EQ(chosen, (std::vector<int64_t>{12}));
}

TEST(ChooseDepths, NeverMoreStatesThanAllowedAndMoreSaveMore) {
  const auto plans = candidates();
  const auto depths = resume_depths(plans, evenly(plans), num_blocks);
  double before = 0;
  for (int64_t most = 1; most <= 36; ++most) {
    const auto chosen = choose_depths(depths, most);
    int64_t states = 0;
    for (const ResumeDepth& place : depths) {
      if (std::ranges::binary_search(chosen, place.depth)) states += place.states;
    }
    EXPECT_LE(states, most);
    EXPECT_GE(expected_saving(depths, chosen), 0.8 * before) << most;
    before = std::max(before, expected_saving(depths, chosen));
  }
  // What is saved when block b goes is all that was computed before it.
  double all = 0;
  for (const ResumeDepth& place : depths) all += place.chance * static_cast<double>(place.units);
  EXPECT_DOUBLE_EQ(before, all);
}

}  // namespace
}  // namespace sleb
