#include "sleb/engine/plans/plan.h"

#include <gtest/gtest.h>

#include <array>

namespace sleb {
namespace {

TEST(Plan, OrderOfRemovalDoesNotMatter) {
  const std::array<int64_t, 2> one = {5, 2};
  const std::array<int64_t, 3> other = {2, 5, 5};
  EXPECT_EQ(Plan::without_blocks(one), Plan::without_blocks(other));
  EXPECT_NE(Plan::without_blocks(one), Plan());
}

TEST(Plan, HalvesAreSeparate) {
  Plan plan;
  plan.bypass({3, Half::mlp});
  EXPECT_TRUE(plan.bypasses({3, Half::mlp}));
  EXPECT_FALSE(plan.bypasses({3, Half::attention}));
  EXPECT_TRUE(plan.bypass_block(3).bypasses({3, Half::attention}));
}

TEST(Plan, BeforeADepth) {
  const Plan plan = Plan().bypass({1, Half::mlp}).bypass_block(3);
  EXPECT_EQ(depth_of({1, Half::mlp}), 3);
  EXPECT_EQ(plan.before(3), Plan());
  EXPECT_EQ(plan.before(4), Plan().bypass({1, Half::mlp}));
  EXPECT_EQ(plan.before(7), Plan().bypass({1, Half::mlp}).bypass({3, Half::attention}));
  EXPECT_EQ(plan.before(8), plan);
}

}  // namespace
}  // namespace sleb
