#include "sleb/checkpoint/formats/stored_tensor.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
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
      {StoredType::f32, "F32", 1, 4},
      {StoredType::f64, "F64", 1, 8},
      {StoredType::f16, "F16", 1, 2},
      {StoredType::bf16, "BF16", 1, 2},
      {StoredType::f8_e4m3, "F8_E4M3", 1, 1},
      {StoredType::f8_e5m2, "F8_E5M2", 1, 1},
      {StoredType::q4_0, "Q4_0", 32, 18},
      {StoredType::q4_1, "Q4_1", 32, 20},
      {StoredType::q5_0, "Q5_0", 32, 22},
      {StoredType::q5_1, "Q5_1", 32, 24},
      {StoredType::q8_0, "Q8_0", 32, 34},
      {StoredType::q2_k, "Q2_K", 256, 84},
      {StoredType::q3_k, "Q3_K", 256, 110},
      {StoredType::q4_k, "Q4_K", 256, 144},
      {StoredType::q5_k, "Q5_K", 256, 176},
      {StoredType::q6_k, "Q6_K", 256, 210},
      {StoredType::iq4_nl, "IQ4_NL", 32, 18},
      {StoredType::iq4_xs, "IQ4_XS", 256, 136},
      {StoredType::mxfp4, "MXFP4", 32, 17},
      {StoredType::tq1_0, "TQ1_0", 256, 54},
      {StoredType::tq2_0, "TQ2_0", 256, 66},
      {StoredType::iq1_s, "IQ1_S", 256, 50},
      {StoredType::iq1_m, "IQ1_M", 256, 56},
      {StoredType::iq2_xxs, "IQ2_XXS", 256, 66},
      {StoredType::iq2_xs, "IQ2_XS", 256, 74},
      {StoredType::iq2_s, "IQ2_S", 256, 82},
      {StoredType::iq3_xxs, "IQ3_XXS", 256, 98},
      {StoredType::iq3_s, "IQ3_S", 256, 110},
  };
  for (const auto& row : expected) {
    EXPECT_EQ(name_of(row.type), row.name);
    EXPECT_EQ(type_named(row.name), row.type);
    EXPECT_EQ(elements_per_block(row.type), row.elements) << row.name;
    EXPECT_EQ(bytes_per_block(row.type), row.bytes) << row.name;
    EXPECT_EQ(is_quantized(row.type), row.elements > 1) << row.name;
    EXPECT_EQ(encoded_bytes(row.type, 512), static_cast<uint64_t>(512 / row.elements * row.bytes)) << row.name;
  }
  EXPECT_EQ(type_named("Q8_1"), std::nullopt);
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

// An 8-bit float by its fields: 4 exponent bits (bias 7) and no infinities, or 5 (bias 15) and IEEE 754's rules.
double value_of_fp8(int code, int exponent_bits) {
  const int mantissa_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (code & 0x7f) >> mantissa_bits, mantissa = code & ((1 << mantissa_bits) - 1);
  const double sign = (code & 0x80) != 0 ? -1 : 1;
  if (exponent_bits == 5 && exponent == 31) return mantissa == 0 ? sign * infinity : std::nan("");
  if (exponent_bits == 4 && (code & 0x7f) == 0x7f) return std::nan("");
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

TEST(Decode, DoublesAreRoundedToTheNearest) {
  const std::array<double, 8> stored = {0.1, -1 / 3.0, 1e-46, -0.0, 1 + 0x1p-24, 1 + 0x1.8p-23, 1e300, -1e300};
  const std::array<float, 8> expected = {0.1F, -1 / 3.0F, 0, -0.0F, 1, 1 + 0x1p-22F, infinity, -infinity};
  std::vector<uint8_t> bytes(sizeof(stored));
  std::memcpy(bytes.data(), stored.data(), sizeof(stored));
  const auto values = decoded(StoredType::f64, bytes);
  for (size_t i = 0; i < expected.size(); ++i) expect_same_bits(values[i], expected[i], i);
}

TEST(Decode, EveryFp8) {
  std::vector<uint8_t> codes(256);
  std::iota(codes.begin(), codes.end(), uint8_t{0});
  const auto e4m3 = decoded(StoredType::f8_e4m3, codes);
  const auto e5m2 = decoded(StoredType::f8_e5m2, codes);
  for (size_t code = 0; code < 256; ++code) {
    expect_same_bits(e4m3[code], static_cast<float>(value_of_fp8(static_cast<int>(code), 4)), code);
    expect_same_bits(e5m2[code], static_cast<float>(value_of_fp8(static_cast<int>(code), 5)), code);
  }
  EXPECT_EQ(e4m3[0x7e], 448);
  EXPECT_EQ(e5m2[0x7b], 57344);
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

TEST(Quote, ManyNamesAreCut) {
  EXPECT_EQ(quote_all(std::vector<std::string>{"a", "b\n"}), "'a', 'b\\x0a'");
  EXPECT_EQ(quote_all(std::vector<std::string>(12, "x")),
            "'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x' and 2 more");
}

TEST(Quote, MakesAnyNameFitForOneLine) {
  EXPECT_EQ(quote("model.norm.weight"), "'model.norm.weight'");
  EXPECT_EQ(quote("a\nb\x1b[31m\x7f"), "'a\\x0ab\\x1b[31m\\x7f'");
  EXPECT_EQ(quote(std::string(1000, 'x')), "'" + std::string(200, 'x') + "...'");
  EXPECT_EQ(quote(std::string(199, 'x') + "\xc3\xa9y"), "'" + std::string(199, 'x') + "...'");  // no half character
}

}  // namespace
}  // namespace sleb
