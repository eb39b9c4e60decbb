// Types of one element each, as Block structs: `elements` to a block, and decode() of one block to float32.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace sleb::quants {

static_assert(std::endian::native == std::endian::little, "both formats are little-endian and read in place");

// Integer arithmetic and one exact subtraction, so that loops over it vectorise on every x86-64 and subnormals come out
// right even where the process flushes them to zero.
inline float float_from_half(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000U} << 16;
  const uint32_t magnitude = half & 0x7fffU;
  const uint32_t normal = (magnitude << 13) + (112U << 23);  // the exponent's bias goes from 15 to 127
  const uint32_t special = (magnitude << 13) | 0x7f800000U;
  // A subnormal half is m * 2^-24: put m below an implicit one worth 2^-14, then take that one away.
  const uint32_t implicit_one = 113U << 23;
  const float subnormal = std::bit_cast<float>((magnitude << 13) + implicit_one) - std::bit_cast<float>(implicit_one);
  // Masks, since gcc does not vectorise a choice between the results of floating-point arithmetic.
  const uint32_t is_subnormal = 0U - uint32_t{magnitude < 0x0400U};
  const uint32_t is_special = 0U - uint32_t{magnitude >= 0x7c00U};
  const uint32_t finite = (std::bit_cast<uint32_t>(subnormal) & is_subnormal) | (normal & ~is_subnormal);
  return std::bit_cast<float>(sign | (special & is_special) | (finite & ~is_special));
}

struct BlockF32 {
  static constexpr int64_t elements = 1;
  float value;

  void decode(float* out) const { *out = value; }
};

struct BlockF64 {
  static constexpr int64_t elements = 1;
  double value;

  void decode(float* out) const { *out = static_cast<float>(value); }
};

struct BlockF16 {
  static constexpr int64_t elements = 1;
  uint16_t value;

  void decode(float* out) const { *out = float_from_half(value); }
};

struct BlockBF16 {
  static constexpr int64_t elements = 1;
  uint16_t value;

  void decode(float* out) const { *out = std::bit_cast<float>(uint32_t{value} << 16); }
};

template <typename Integer>
struct BlockInteger {
  static constexpr int64_t elements = 1;
  Integer value;

  void decode(float* out) const { *out = static_cast<float>(value); }
};

// The 256 values of an 8-bit float of 1 sign bit, `Exponent` and 7 - `Exponent` mantissa bits, bias 2^(Exponent - 1) -
// 1
// ("FP8 Formats for Deep Learning", arXiv 2209.05433). E4M3 has no infinities and one NaN of each sign; E5M2 is like
// IEEE 754's types.
template <int Exponent>
constexpr std::array<float, 256> fp8_values() {
  constexpr int mantissa_bits = 7 - Exponent;
  constexpr uint32_t bias = (1U << (Exponent - 1)) - 1;
  constexpr uint32_t infinity = Exponent == 5 ? 0x7c : 0x7f;  // in E4M3 what follows the largest number is a NaN
  constexpr uint32_t not_a_number = std::bit_cast<uint32_t>(std::numeric_limits<float>::quiet_NaN());
  std::array<float, 256> values{};
  for (uint32_t code = 0; code < 256; ++code) {
    const uint32_t sign = (code & 0x80U) << 24;
    const uint32_t magnitude = code & 0x7fU;
    const uint32_t exponent = magnitude >> mantissa_bits;
    const uint32_t mantissa = magnitude & ((1U << mantissa_bits) - 1);
    float value = 0;
    if (magnitude >= infinity) {
      value = std::bit_cast<float>(Exponent == 5 && magnitude == infinity ? 0x7f800000U : not_a_number);
    } else if (exponent == 0) {  // subnormal
      value = static_cast<float>(mantissa) / static_cast<float>(1U << (bias - 1 + mantissa_bits));
    } else {
      value = std::bit_cast<float>(((exponent + 127 - bias) << 23) | (mantissa << (23 - mantissa_bits)));
    }
    values[code] = std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  return values;
}

template <int Exponent>
struct BlockFp8 {
  static constexpr int64_t elements = 1;
  static constexpr std::array<float, 256> values = fp8_values<Exponent>();
  uint8_t code;

  void decode(float* out) const { *out = values[code]; }
};

}  // namespace sleb::quants
