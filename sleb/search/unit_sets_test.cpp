#include "sleb/search/unit_sets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sleb {
namespace {

using Sets = std::vector<UnitSet>;

TEST(UnitSets, RunsStayWithinTheRange) {
  EXPECT_EQ(runs_of(2, {1, 5}), (Sets{{1, 2}, {2, 3}, {3, 4}}));
  EXPECT_EQ(runs_of(4, {1, 5}), (Sets{{1, 2, 3, 4}}));
  EXPECT_TRUE(runs_of(5, {1, 5}).empty());
}

TEST(UnitSets, PairsAreTheCheapestWithABlockBetween) {
  const std::map<UnitSet, double> costs = {{{1}, 1}, {{2}, 5}, {{4}, 2}, {{5}, 1}, {{1, 2}, 2}, {{4, 5}, 0.5}};
  EXPECT_EQ(likely_pairs(3, costs, 9), (Sets{{1, 4, 5}, {1, 2, 5}, {1, 2, 4}, {2, 4, 5}}));
  EXPECT_EQ(likely_pairs(3, costs, 2), (Sets{{1, 4, 5}, {1, 2, 5}}));
  EXPECT_EQ(likely_pairs(4, costs, 9), (Sets{{1, 2, 4, 5}}));
  EXPECT_TRUE(likely_pairs(5, costs, 9).empty());
}

TEST(UnitSets, EndsMoveByOne) {
  Sets sets = with_ends_moved({3, 4, 5}, {1, 8});
  std::ranges::sort(sets);
  EXPECT_EQ(sets, (Sets{{2, 3, 4}, {2, 4, 5}, {3, 4, 6}, {4, 5, 6}}));
  sets = with_ends_moved({1, 3}, {1, 4});  // neither below 1 nor above 3
  std::ranges::sort(sets);
  EXPECT_EQ(sets, (Sets{{1, 2}, {2, 3}}));
}

TEST(UnitSets, AnotherInAnyPlace) {
  EXPECT_EQ(with_another_for(2, {2, 4}, {1, 6}), (Sets{{1, 4}, {3, 4}, {4, 5}}));
}

TEST(UnitSets, RangesForPeople) {
  EXPECT_EQ(ranges_text({13, 14, 15, 16, 17, 18}, Units::block), "13-18");
  EXPECT_EQ(ranges_text({1, 2, 4, 7, 8, 9, 11}, Units::block), "1,2,4,7-9,11");
  EXPECT_EQ(ranges_text({}, Units::block), "");
  EXPECT_EQ(ranges_text({26, 27, 28, 29, 30, 31, 33, 40}, Units::half), "13-15,16.mlp,20.attention");
}

}  // namespace
}  // namespace sleb
