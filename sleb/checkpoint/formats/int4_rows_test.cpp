#include "sleb/checkpoint/formats/int4_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "sleb/checkpoint/formats/encode.h"

namespace sleb {
namespace {

// Blocks whose scales are plain numbers, and all else random.
std::vector<std::byte> random_blocks(StoredType type, size_t blocks) {
  std::mt19937 generator(7);
  std::vector<std::byte> bytes(encoded_bytes(type, static_cast<int64_t>(blocks * 32)));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(generator() & 0xff);
  const size_t block_bytes = bytes.size() / blocks, halves = type == StoredType::q4_1 ? 2 : 1;
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t half = 0; half < halves; ++half) {
      std::byte& high = bytes[block * block_bytes + 2 * half + 1];
      high = (high & std::byte{0xbf}) | std::byte{0x20};  // neither infinite nor next to nothing
    }
  }
  return bytes;
}

TEST(Int4Rows, CodesScalesAndOffsetsMakeWhatDecodingGives) {
  constexpr size_t blocks = 40;
  for (const StoredType type : {StoredType::q4_0, StoredType::q4_1}) {
    ASSERT_EQ(int4_group(type), 32);
    const std::vector<std::byte> bytes = random_blocks(type, blocks);
    std::vector<float> expected(blocks * 32);
    decode(type, bytes, expected);
    std::vector<uint8_t> codes(expected.size());
    std::vector<float> scales(blocks), offsets(blocks);
    read_int4(type, bytes, {codes, scales, offsets});
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_LT(codes[i], 16);
      const double product = static_cast<double>(scales[i / 32]) * codes[i], offset = offsets[i / 32];
      const double rounding = 2e-7 * (std::abs(product) + std::abs(offset));
      ASSERT_NEAR(product + offset, expected[i], rounding) << name_of(type) << ", value " << i;
    }
  }
}

TEST(Int4Rows, OtherTypesHaveNoGroups) {
  for (const StoredType type : {StoredType::f32, StoredType::bf16, StoredType::q8_0, StoredType::q4_k}) {
    EXPECT_EQ(int4_group(type), 0) << name_of(type);
  }
}

}  // namespace
}  // namespace sleb
