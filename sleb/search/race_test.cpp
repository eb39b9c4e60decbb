#include "sleb/search/race.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sleb {
namespace {

TEST(RaceRungs, TakeEveryChunkOnce) {
  for (int64_t chunks = 1; chunks < 200; ++chunks) {
    std::vector<int64_t> seen;
    for (const Rung& rung : race_rungs(chunks, 8 * chunks, 256)) {
      if (rung.tokens > 0) continue;
      EXPECT_FALSE(rung.chunks.empty());
      EXPECT_LE(rung.chunks.size(), std::max<size_t>(1, seen.size() / 2));
      seen.insert(seen.end(), rung.chunks.begin(), rung.chunks.end());
    }
    std::ranges::sort(seen);
    EXPECT_EQ(seen, exact_rungs(chunks)[0].chunks);
  }
  EXPECT_EQ(race_rungs(128, 128, 2048).size(), 13U);
}

TEST(RaceRungs, TextsOfFewChunksBeginWithPrefixes) {
  for (const int64_t chunks : {1, 2}) {
    const auto rungs = race_rungs(chunks, 4, 2048);
    ASSERT_EQ(rungs.size(), static_cast<size_t>(chunks + 1));
    EXPECT_EQ(rungs[0].tokens, 512);
    EXPECT_EQ(rungs[0].chunks.size(), static_cast<size_t>(chunks));
    EXPECT_EQ(rungs[1].tokens, 0);
  }
  EXPECT_EQ(race_rungs(1, 1, 1024).size(), 1U);  // too little to tell anything
  EXPECT_EQ(race_rungs(3, 3, 2048)[0].tokens, 0);
}

}  // namespace
}  // namespace sleb
