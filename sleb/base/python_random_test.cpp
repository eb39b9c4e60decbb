#include "sleb/base/python_random.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

using Indices = std::vector<size_t>;

// random.Random(seed).sample(range(population), count) in CPython 3.11
TEST(PythonRandom, SamplesAsPython) {
  PythonRandom random(1234);
  EXPECT_EQ(random.sample(10, 3), (Indices{7, 1, 0}));
  EXPECT_EQ(random.sample(100, 5), (Indices{11, 74, 4, 85, 88}));
  EXPECT_EQ(random.sample(1000, 8), (Indices{85, 100, 784, 363, 242, 17, 31, 807}));
  EXPECT_EQ(random.sample(5, 5), (Indices{0, 2, 3, 1, 4}));
  EXPECT_EQ(random.sample(70, 6), (Indices{19, 11, 23, 14, 1, 64}));
}

TEST(PythonRandom, TakesSeedsOfOneAndTwoWords) {
  EXPECT_EQ(PythonRandom(0U).sample(1000000, 4), (Indices{885440, 403958, 794772, 933488}));
  EXPECT_EQ(PythonRandom(4294967295U).sample(1000000, 4), (Indices{666220, 649664, 213070, 225803}));
  EXPECT_EQ(PythonRandom(9223372036854788153U).sample(1000000, 4), (Indices{319579, 407415, 222751, 162477}));
}

TEST(PythonRandom, SamplesOfNothingAreEmpty) {
  EXPECT_EQ(PythonRandom(1).sample(0, 0), Indices{});
  EXPECT_EQ(PythonRandom(1).sample(1, 1), Indices{0});
}

}  // namespace
}  // namespace sleb
