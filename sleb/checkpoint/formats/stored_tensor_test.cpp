#include "sleb/checkpoint/formats/stored_tensor.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace sleb {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// The format's definition of an IEEE binary16, by its fields.
double value_of_half(uint16_t half) {
  const int exponent = (half >> 10) & 0x1f;
  const int mantissa = half & 0x3ff;
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  if (exponent == 0x1f) return mantissa == 0 ? sign * infinity : std::nan("");
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

std::vector<float> decoded(StoredType type, const std::vector<uint8_t>& bytes) {
  const auto blocks = static_cast<int64_t>(bytes.size()) / bytes_per_block(type);
  std::vector<float> values(static_cast<size_t>(blocks * elements_per_block(type)));
  decode(type, std::as_bytes(std::span(bytes)), values);
  return values;
}

void expect_same_bits(float actual, float expected, size_t index) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(actual)) << "element " << index;
  } else {
    EXPECT_EQ(std::bit_cast<uint32_t>(actual), std::bit_cast<uint32_t>(expected)) << "element " << index;
  }
}

std::vector<uint8_t> random_bytes(size_t count) {
  std::mt19937 random(7);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

float half_at(const uint8_t* bytes) {
  return static_cast<float>(value_of_half(static_cast<uint16_t>(bytes[0] | bytes[1] << 8)));
}

TEST(StoredType, SizesAreThoseOfGgml) {
  const struct {
    StoredType type;
    std::string_view name;
    int64_t elements, bytes;
  } expected[] = {
      {StoredType::f32, "F32", 1, 4},       {StoredType::f16, "F16", 1, 2},     {StoredType::bf16, "BF16", 1, 2},
      {StoredType::q4_0, "Q4_0", 32, 18},   {StoredType::q4_1, "Q4_1", 32, 20}, {StoredType::q8_0, "Q8_0", 32, 34},
      {StoredType::q6_k, "Q6_K", 256, 210},
  };
  for (const auto& row : expected) {
    EXPECT_EQ(name_of(row.type), row.name);
    EXPECT_EQ(type_named(row.name), row.type);
    EXPECT_EQ(elements_per_block(row.type), row.elements) << row.name;
    EXPECT_EQ(bytes_per_block(row.type), row.bytes) << row.name;
    EXPECT_EQ(is_quantized(row.type), row.elements > 1) << row.name;
    EXPECT_EQ(encoded_bytes(row.type, 512), static_cast<uint64_t>(512 / row.elements * row.bytes)) << row.name;
  }
  EXPECT_EQ(type_named("Q4_K"), std::nullopt);
}

TEST(StoredTensor, CountsElementsWithoutOverflow) {
  const auto count = [](std::vector<int64_t> shape) { return count_elements(shape); };
  EXPECT_EQ(count({}), 1);
  EXPECT_EQ(count({3, 0, 5}), 0);
  EXPECT_EQ(count({49152, 576}), 28311552);
  EXPECT_EQ(count({int64_t{1} << 60}), int64_t{1} << 60);
  EXPECT_EQ(count({(int64_t{1} << 60) + 1}), std::nullopt);
  EXPECT_EQ(count({int64_t{1} << 32, int64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(count({int64_t{1} << 62, 4, 0}), std::nullopt);
  EXPECT_EQ(count({std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()}), std::nullopt);
}

TEST(Decode, EveryHalf) {
  std::vector<uint8_t> bytes;
  for (unsigned half = 0; half < 65536; ++half) {
    bytes.push_back(static_cast<uint8_t>(half & 0xff));
    bytes.push_back(static_cast<uint8_t>(half >> 8));
  }
  const std::vector<float> values = decoded(StoredType::f16, bytes);
  for (size_t half = 0; half < values.size(); ++half) {
    expect_same_bits(values[half], static_cast<float>(value_of_half(static_cast<uint16_t>(half))), half);
  }
}

TEST(Decode, PlainTypes) {
  EXPECT_EQ(decoded(StoredType::f32, {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc1}), (std::vector<float>{1, -10}));
  EXPECT_EQ(decoded(StoredType::bf16, {0x80, 0x3f, 0x20, 0xc1, 0x80, 0xff}), (std::vector<float>{1, -10, -infinity}));
}

TEST(Decode, MisalignedData) {
  const std::vector<uint8_t> bytes = {0xee, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc1};
  std::vector<float> values(2);
  decode(StoredType::f32, std::as_bytes(std::span(bytes)).subspan(1), values);
  EXPECT_EQ(values, (std::vector<float>{1, -10}));
}

TEST(Decode, Q4_0) {
  const std::vector<uint8_t> bytes = random_bytes(size_t{18} * 4000);
  const std::vector<float> values = decoded(StoredType::q4_0, bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint8_t* block = &bytes[i / 32 * 18];
    const int quant = block[2 + i % 16] >> (i % 32 < 16 ? 0 : 4) & 15;
    expect_same_bits(values[i], half_at(block) * static_cast<float>(quant - 8), i);
  }
}

TEST(Decode, Q4_1) {
  const std::vector<uint8_t> bytes = random_bytes(size_t{20} * 4000);
  const std::vector<float> values = decoded(StoredType::q4_1, bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint8_t* block = &bytes[i / 32 * 20];
    const int quant = block[4 + i % 16] >> (i % 32 < 16 ? 0 : 4) & 15;
    expect_same_bits(values[i], half_at(block) * static_cast<float>(quant) + half_at(block + 2), i);
  }
}

TEST(Decode, Q8_0) {
  const std::vector<uint8_t> bytes = random_bytes(size_t{34} * 4000);
  const std::vector<float> values = decoded(StoredType::q8_0, bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint8_t* block = &bytes[i / 32 * 34];
    expect_same_bits(values[i], half_at(block) * static_cast<float>(static_cast<int8_t>(block[2 + i % 32])), i);
  }
}

// dequantize_row_q6_K in ggml-quants.c, element by element.
TEST(Decode, Q6_K) {
  const std::vector<uint8_t> bytes = random_bytes(size_t{210} * 500);
  const std::vector<float> values = decoded(StoredType::q6_k, bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint8_t* block = &bytes[i / 256 * 210];
    const size_t half = i % 256 / 128, quarter = i % 128 / 32, l = i % 32;
    const int low = block[half * 64 + quarter % 2 * 32 + l] >> (quarter < 2 ? 0 : 4) & 15;
    const int high = block[128 + half * 32 + l] >> (2 * quarter) & 3;
    const auto group = static_cast<int8_t>(block[192 + i % 256 / 16]);
    const float scale = half_at(block + 208) * static_cast<float>(group);
    expect_same_bits(values[i], scale * static_cast<float>((low | high << 4) - 32), i);
  }
}

TEST(Quote, MakesAnyNameFitForOneLine) {
  EXPECT_EQ(quote("model.norm.weight"), "'model.norm.weight'");
  EXPECT_EQ(quote("a\nb\x1b[31m\x7f"), "'a\\x0ab\\x1b[31m\\x7f'");
  EXPECT_EQ(quote(std::string(1000, 'x')), "'" + std::string(200, 'x') + "...'");
  EXPECT_EQ(quote(std::string(199, 'x') + "\xc3\xa9y"), "'" + std::string(199, 'x') + "...'");  // no half character
}

}  // namespace
}  // namespace sleb
