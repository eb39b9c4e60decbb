#include "sleb/engine/plans/residency.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

int64_t count(const Residency& residency) {
  return residency.resident_blocks();
}

TEST(Residency, TakesAllThatFits) {
  EXPECT_TRUE(Residency::under_limit(1000, 100, 30, 30).all_resident());
  EXPECT_EQ(Residency::under_limit(1000, 100, 30, 30).bytes, 1000U);
  EXPECT_EQ(Residency::unbounded(100, 30, 30).bytes, 1000U);
}

TEST(Residency, LeavesRoomForTwoBlocksOnTheirWay) {
  for (uint64_t limit = 160; limit < 1000; ++limit) {
    const Residency residency = Residency::under_limit(limit, 100, 30, 30);
    EXPECT_LE(residency.bytes, limit);
    EXPECT_GT(residency.bytes + 30, limit);
    EXPECT_EQ(residency.bytes, 100 + 30 * static_cast<uint64_t>(count(residency) + 2));
  }
}

TEST(Residency, SpreadsTheBlocks) {
  const std::vector<bool> spread = Residency::under_limit(100 + 12 * 30, 100, 30, 30).is_resident;
  ASSERT_EQ(std::ranges::count(spread, true), 10);
  for (size_t i = 0; i < spread.size(); i += 3) EXPECT_EQ(spread[i] + spread[i + 1] + spread[i + 2], 1);
}

TEST(Residency, NamesTheSmallestLimit) {
  EXPECT_EQ(count(Residency::under_limit(160, 100, 30, 30)), 0);
  EXPECT_TRUE(error_message([] { Residency::under_limit(159, 100, 30, 30); }).ends_with("give at least 160"));
  EXPECT_TRUE(Residency::under_limit(130, 100, 30, 1).all_resident());
}

std::vector<int64_t> spread(std::vector<uint64_t> room, int64_t num_blocks) {
  const auto residency = Residency::spread(room, 100, 30, num_blocks);
  return residency ? residency->devices : std::vector<int64_t>();
}

TEST(Residency, FillsDevicesEvenly) {
  EXPECT_EQ(spread({220, 120}, 8), (std::vector<int64_t>{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(spread({220, 120, 120}, 6), (std::vector<int64_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(spread({129, 120}, 4), (std::vector<int64_t>{1, 1, 1, 1}));  // room for what is outside the blocks only
  EXPECT_EQ(spread({160, 240}, 10), (std::vector<int64_t>{0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST(Residency, SpreadsNothingThatDoesNotFit) {
  EXPECT_TRUE(spread({220, 120}, 9).empty());
  EXPECT_TRUE(spread({99, 1000}, 2).empty());
  EXPECT_TRUE(spread({}, 2).empty());
}

TEST(Residency, PutsAllOnTheFirstDeviceUnlessSpread) {
  EXPECT_EQ(Residency::unbounded(100, 30, 30).device(29), 0);
  const uint64_t room[] = {130, 30};
  EXPECT_EQ(Residency::spread(room, 100, 30, 2)->device(1), 1);
  EXPECT_EQ(Residency::unbounded(100, 30, 30).num_devices(), 1);
  EXPECT_EQ(Residency::spread(room, 100, 30, 2)->num_devices(), 2);
}

}  // namespace
}  // namespace sleb
