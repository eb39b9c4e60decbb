#include "sleb/engine/plans/packed_weights.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

int64_t group_of(std::vector<TensorShape> matrices, int64_t first, int64_t other) {
  return packed_group(matrices, [&](const std::string& name) { return name == "first" ? first : other; });
}

TEST(PackedWeights, HaveACommonGroup) {
  const std::vector<TensorShape> both = {{"first", {8, 512}}, {"other", {24, 512}}};
  EXPECT_EQ(group_of(both, 128, 128), 128);
  EXPECT_EQ(group_of(both, 128, 32), 32);
  EXPECT_EQ(group_of(both, 512, 512), 256) << "a scale for the row is one for each of its parts";
  EXPECT_EQ(group_of(both, 512, 0), 0) << "one of them is not packed";
  EXPECT_EQ(group_of(both, 16, 16), 0) << "no group of the kernel's";
  EXPECT_EQ(group_of({{"first", {8, 512}}}, 128, 0), 0) << "rows that the kernel can't take";
  EXPECT_EQ(group_of({}, 128, 128), 0);
}

TEST(PackedWeights, TakeHalfAByteAndTheirScales) {
  EXPECT_EQ(packed_bytes(16, 64, 32), 16 * 32 + 16 * 2 * 4);
}

}  // namespace
}  // namespace sleb
