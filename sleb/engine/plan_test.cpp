#include "sleb/engine/plan.h"

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

}  // namespace
}  // namespace sleb
