#include "sleb/checkpoint/formats/encode.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace sleb {
namespace {

std::vector<float> round_trip(StoredType type, const std::vector<float>& values) {
  const auto bytes = encode(type, values);
  std::vector<float> back(values.size());
  decode(type, bytes, back);
  return back;
}

// The two neighbours in the narrow type decide: the result must be the nearer one, so no other value of the type may be
// closer than the result is.
TEST(Encode, EveryFloat16AndBfloat16ValueSurvives) {
  for (const StoredType type : {StoredType::f16, StoredType::bf16}) {
    for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
      const auto half = static_cast<uint16_t>(pattern);
      std::byte bytes[2];
      std::memcpy(bytes, &half, 2);
      float value = 0;
      decode(type, bytes, {&value, 1});
      const auto again = encode(type, {&value, 1});
      if (std::isnan(value)) {
        decode(type, again, {&value, 1});
        EXPECT_TRUE(std::isnan(value));
      } else {
        EXPECT_EQ(std::memcmp(again.data(), bytes, 2), 0) << pattern;
      }
    }
  }
}

TEST(Encode, RoundsToNearestTiesToEven) {
  // bfloat16 has 8 significant bits, float16 has 11.
  EXPECT_EQ(round_trip(StoredType::bf16, {1 + 0x1p-8F, 1 + 3 * 0x1p-8F, 1 + 0x1.01p-8F}),
            (std::vector<float>{1, 1 + 0x1p-6F, 1 + 0x1p-7F}));
  EXPECT_EQ(round_trip(StoredType::f16, {1 + 0x1p-11F, 1 + 3 * 0x1p-11F, 0x1p-25F, 0x1.8p-25F, 65519, -65520}),
            (std::vector<float>{1, 1 + 0x1p-9F, 0, 0x1p-24F, 65504, -std::numeric_limits<float>::infinity()}));
}

TEST(Encode, RandomValuesAreOffByHalfAUnitAtMost) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(10000);
  for (float& value : values) value = normal(random);
  const auto bf16 = round_trip(StoredType::bf16, values);
  const auto f16 = round_trip(StoredType::f16, values);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_LE(std::abs(bf16[i] - values[i]), std::abs(values[i]) * 0x1p-8F);
    EXPECT_LE(std::abs(f16[i] - values[i]), std::max(std::abs(values[i]) * 0x1p-11F, 0x1p-25F));
  }
  EXPECT_EQ(round_trip(StoredType::f32, values), values);
}

TEST(RoundTo, IsWhatEncodingAndDecodingGive) {
  std::vector<float> values;
  for (uint32_t upper = 0; upper < 65536; ++upper) {
    for (const uint32_t lower :
         {0x0000U, 0x0001U, 0x0fffU, 0x1000U, 0x1001U, 0x3000U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      values.push_back(std::bit_cast<float>(upper << 16 | lower));
    }
  }
  for (const StoredType type : {StoredType::f32, StoredType::f16, StoredType::bf16}) {
    std::vector<float> expected(values.size()), rounded = values;
    decode(type, encode(type, values), expected);
    round_to(type, rounded);
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(rounded[i]));
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(rounded[i]), std::bit_cast<uint32_t>(expected[i])) << values[i];
      }
    }
  }
}

}  // namespace
}  // namespace sleb
