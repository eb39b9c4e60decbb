#include "sleb/search/race.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sleb {
namespace {

TEST(RaceRungs, TakeEveryChunkOnce) {
  for (int64_t chunks = 1; chunks < 200; ++chunks) {
    std::vector<int64_t> seen;
    for (const Rung& rung : race_rungs(chunks)) {
      EXPECT_FALSE(rung.chunks.empty());
      EXPECT_LE(rung.chunks.size(), std::max<size_t>(1, seen.size() / 2));
      seen.insert(seen.end(), rung.chunks.begin(), rung.chunks.end());
    }
    std::ranges::sort(seen);
    EXPECT_EQ(seen, exact_rungs(chunks)[0].chunks);
  }
  EXPECT_EQ(race_rungs(128).size(), 14U);
}

}  // namespace
}  // namespace sleb
