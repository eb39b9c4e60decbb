#include "sleb/base/content_hash.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

// The value for no input is given in xxHash's specification of XXH3 (128 bits, seed 0).
TEST(ContentHash, OfNothing) {
  EXPECT_EQ(ContentHash().text(), "xxh3:99aa06d3014798d86001c324468d497f");
}

TEST(ContentHash, DependsOnContentNotOnItsPieces) {
  ContentHash whole, pieces, other;
  whole.add("hello world");
  pieces.add("hello ");
  pieces.add("world");
  other.add("hello worle");
  EXPECT_EQ(whole.text(), pieces.text());
  EXPECT_NE(whole.text(), other.text());
}

}  // namespace
}  // namespace sleb
