#include "sleb/checkpoint/row_order.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

// Four query heads and two of keys and values, of two dimensions each.
ModelSpec small() {
  ModelSpec spec;
  spec.num_heads = 4;
  spec.num_kv_heads = 2;
  spec.head_dim = 2;
  spec.ropes = {{.dims = 2}};
  return spec;
}

constexpr Part qkv[] = {Part::query, Part::key, Part::value};

TEST(RowOrder, IsTheFilesOwnInMostFamilies) {
  EXPECT_TRUE(stored_rows(small(), qkv).empty());
  EXPECT_TRUE(stored_dimensions(small()).empty());
}

TEST(RowOrder, GroupsAreTakenApart) {
  ModelSpec spec = small();
  spec.qkv_layout = QkvLayout::by_group;
  // Stored: queries 0 and 1, key 0, value 0, queries 2 and 3, key 1, value 1; two rows each.
  EXPECT_EQ(stored_rows(spec, qkv), (std::vector<int64_t>{0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15}));
  const Part output[] = {Part::attention_output};
  EXPECT_TRUE(stored_rows(spec, output).empty());
}

TEST(RowOrder, PairsOfRopeAreTakenApartWhereTheyTurn) {
  ModelSpec spec = small();
  spec.interleaved_rope = true;
  spec.num_heads = 2;
  spec.num_kv_heads = 1;
  spec.head_dim = 6;
  spec.ropes = {{.dims = 4}};
  EXPECT_EQ(stored_dimensions(spec), (std::vector<int64_t>{0, 2, 1, 3, 4, 5}));
  EXPECT_EQ(stored_rows(spec, qkv), (std::vector<int64_t>{0,  2,  1,  3,  4,  5,  6,  8,  7,  9,  10, 11,
                                                          12, 14, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23}));
}

}  // namespace
}  // namespace sleb
