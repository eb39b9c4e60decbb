#include "sleb/checkpoint/formats/encode.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "sleb/base/error.h"

namespace sleb {
namespace {

uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);  // a NaN stays one
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

// IEEE 754 binary16, by the exponent's three ranges.
uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return sign | 0x7e00U;
  if (magnitude >= 0x477ff000U) return sign | 0x7c00U;  // rounds past the largest, 65504
  if (magnitude < 0x38800000U) {
    // Subnormal: adding 0.5 leaves the wanted bits, rounded by the adder, at the low end of the sum.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5F));
  }
  return sign | static_cast<uint16_t>((magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13);
}

float rounded_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
  return std::isnan(value) ? value : std::bit_cast<float>(rounded);
}

// Without branches, so that loops over it vectorise.
float rounded_to_float16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits & 0x80000000U;
  const uint32_t magnitude = bits & 0x7fffffffU;
  const uint32_t normal = (magnitude + 0xfffU + ((magnitude >> 13) & 1U)) & 0xffffe000U;
  const float subnormal = std::bit_cast<float>(magnitude) + 0.5F - 0.5F;  // of which the last bit kept is 2^-24
  uint32_t rounded = magnitude < 0x38800000U ? std::bit_cast<uint32_t>(subnormal) : normal;
  rounded = magnitude >= 0x477ff000U ? 0x7f800000U : rounded;  // past the largest, 65504
  return std::isnan(value) ? value : std::bit_cast<float>(sign | rounded);
}

std::vector<std::byte> encode_halves(std::span<const float> values, uint16_t (*convert)(float)) {
  std::vector<std::byte> out(values.size() * 2);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = convert(values[i]);
    std::memcpy(&out[2 * i], &half, 2);
  }
  return out;
}

// ggml-quants.c, quantize_row_q8_0_ref: 32 values share a scale, the largest magnitude / 127, which is stored as F16.
std::vector<std::byte> encode_q8_0(std::span<const float> values) {
  constexpr size_t block = 32;
  if (values.size() % block != 0) bad_input("{} values are not whole Q8_0 blocks of {}", values.size(), block);
  std::vector<std::byte> out;
  out.reserve(values.size() / block * (2 + block));
  for (size_t begin = 0; begin < values.size(); begin += block) {
    float largest = 0;
    for (const float value : values.subspan(begin, block)) largest = std::max(largest, std::abs(value));
    const float scale = largest / 127;
    const float inverse = scale != 0 ? 1 / scale : 0;
    const uint16_t stored = to_float16(scale);
    out.push_back(static_cast<std::byte>(stored & 0xffU));
    out.push_back(static_cast<std::byte>(stored >> 8));
    for (const float value : values.subspan(begin, block)) {
      const float quant = std::round(value * inverse);
      out.push_back(static_cast<std::byte>(static_cast<int8_t>(std::isfinite(quant) ? quant : 0)));
    }
  }
  return out;
}

}  // namespace

std::vector<std::byte> encode(StoredType type, std::span<const float> values) {
  if (type == StoredType::bf16) return encode_halves(values, to_bfloat16);
  if (type == StoredType::f16) return encode_halves(values, to_float16);
  if (type == StoredType::q8_0) return encode_q8_0(values);
  if (type != StoredType::f32) bad_input("weights can't be written as {}", name_of(type));
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

void round_to(StoredType type, std::span<float> values) {
  if (type == StoredType::bf16) {
    for (float& value : values) value = rounded_to_bfloat16(value);
  } else if (type == StoredType::f16) {
    for (float& value : values) value = rounded_to_float16(value);
  }
}

}  // namespace sleb
