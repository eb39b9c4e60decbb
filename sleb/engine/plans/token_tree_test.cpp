#include "sleb/engine/plans/token_tree.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

using Numbers = std::vector<int64_t>;

TEST(TokenTree, SharesWhatSequencesHaveInFront) {
  TokenTree tree;
  EXPECT_EQ(tree.add(Numbers{5, 6, 7}), (Numbers{0, 1, 2}));
  EXPECT_TRUE(tree.is_path());
  EXPECT_EQ(tree.add(Numbers{5, 6, 8, 9}), (Numbers{0, 1, 3, 4}));
  EXPECT_EQ(tree.add(Numbers{5, 6}), (Numbers{0, 1}));
  EXPECT_FALSE(tree.is_path());
  EXPECT_EQ(tree.ids(), (Numbers{5, 6, 7, 8, 9}));
  EXPECT_EQ(tree.parents(), (Numbers{-1, 0, 1, 1, 3}));
  EXPECT_EQ(tree.depths(), (Numbers{0, 1, 2, 2, 3}));
}

TEST(TokenTree, KeepsSequencesApartThatDifferFromTheFirstTokenOn) {
  TokenTree tree;
  EXPECT_EQ(tree.add(Numbers{1, 2}), (Numbers{0, 1}));
  EXPECT_EQ(tree.add(Numbers{2, 2}), (Numbers{2, 3}));
  EXPECT_EQ(tree.parents(), (Numbers{-1, 0, -1, 2}));
  EXPECT_EQ(tree.depths(), (Numbers{0, 1, 0, 1}));
}

TEST(TokenTree, EmptySequence) {
  TokenTree tree;
  EXPECT_EQ(tree.add({}), Numbers());
  EXPECT_EQ(tree.size(), 0);
}

}  // namespace
}  // namespace sleb
