// The constants come from numpy 2.4.6; tests/corpus/test_random.py compares with the numpy at hand, many more of them.
#include "sleb/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sleb {
namespace {

using Order = std::vector<int64_t>;

TEST(NumpyPermutation, EqualsNumpyForSeedsOfOneAndTwoWords) {
  EXPECT_EQ(numpy_permutation(0, 10), (Order{4, 6, 2, 7, 3, 5, 9, 0, 8, 1}));
  EXPECT_EQ(numpy_permutation(1, 10), (Order{8, 4, 7, 0, 1, 2, 5, 9, 6, 3}));
  EXPECT_EQ(numpy_permutation(0xffffffff, 10), (Order{0, 1, 4, 8, 3, 7, 5, 6, 2, 9}));
  EXPECT_EQ(numpy_permutation(uint64_t{1} << 32, 10), (Order{9, 1, 3, 8, 7, 6, 0, 4, 2, 5}));
  EXPECT_EQ(numpy_permutation((uint64_t{1} << 63) + 5, 10), (Order{1, 3, 2, 7, 8, 5, 0, 4, 6, 9}));
  EXPECT_EQ(numpy_permutation(~uint64_t{0}, 10), (Order{8, 7, 3, 0, 4, 6, 1, 2, 5, 9}));
}

TEST(NumpyPermutation, EqualsNumpyAtTheSizesOfWikitext2AndOneC4File) {
  const Order wikitext2 = numpy_permutation(0, 36718);
  EXPECT_EQ(Order(wikitext2.begin(), wikitext2.begin() + 6), (Order{12206, 11400, 33293, 29998, 14360, 25366}));
  EXPECT_EQ(Order(wikitext2.end() - 3, wikitext2.end()), (Order{10166, 15785, 33375}));

  Order c4 = numpy_permutation(42, 356317);
  EXPECT_EQ(Order(c4.begin(), c4.begin() + 6), (Order{193541, 151745, 272016, 315603, 350671, 135860}));
  EXPECT_EQ(Order(c4.end() - 3, c4.end()), (Order{131009, 129997, 75400}));
  std::sort(c4.begin(), c4.end());
  for (size_t i = 0; i < c4.size(); ++i) ASSERT_EQ(c4[i], static_cast<int64_t>(i));
}

TEST(NumpyRandom, EqualsNumpyForSeveralSeeds) {
  const auto drawn = [](NumpyRandom random) { return std::vector{random.uniform(), random.uniform()}; };
  EXPECT_EQ(drawn(NumpyRandom(0)), (std::vector{0x1.461fd79fb3850p-1, 0x1.1442f7e20b674p-2}));
  EXPECT_EQ(drawn({7, 1, 3}), (std::vector{0x1.08982945309edp-1, 0x1.aad38d49b73b0p-3}));
  EXPECT_EQ(drawn({(uint64_t{1} << 40) + 5, 0, 0xffffffff}), (std::vector{0x1.eafb161c42cc2p-1, 0x1.b266a1c32118cp-1}));
  EXPECT_EQ(drawn({1, 2, 3, 4, 5, uint64_t{1} << 63}), (std::vector{0x1.32b589a208396p-1, 0x1.0da1e2c50546ap-1}));
}

TEST(NumpyPermutation, NothingToShuffle) {
  EXPECT_EQ(numpy_permutation(7, 0), Order{});
  EXPECT_EQ(numpy_permutation(7, 1), Order{0});
}

}  // namespace
}  // namespace sleb
