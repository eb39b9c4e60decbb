// ggml's first quantised types: 32 elements share a scale, and some a minimum (ggml-common.h, byte for byte).
// A half has 11 significant bits, so its product with a quant is exact in float32. Only the sums of Q4_1 and Q5_1 are
// rounded: once, as by ggml and numpy, fused or not.
#pragma once

#include "sleb/checkpoint/formats/quants/plain.h"

namespace sleb::quants {

struct BlockQ4_0 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint8_t quants[16];  // low nibbles: elements 0 to 15; high nibbles: 16 to 31

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((quants[i] & 0x0f) - 8);
      out[i + 16] = d * static_cast<float>((quants[i] >> 4) - 8);
    }
  }
};

struct BlockQ4_1 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint16_t minimum;
  uint8_t quants[16];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    const float m = float_from_half(minimum);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(quants[i] & 0x0f) + m;
      out[i + 16] = d * static_cast<float>(quants[i] >> 4) + m;
    }
  }
};

// The fifth bit of the elements, 0 or 16: element i's is bit i of `high`, four bytes.
inline int fifth_bit(const uint8_t* high, int i) {
  return ((high[i / 8] >> (i % 8)) & 1) << 4;
}

struct BlockQ5_0 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint8_t high[4];
  uint8_t quants[16];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(((quants[i] & 0x0f) | fifth_bit(high, i)) - 16);
      out[i + 16] = d * static_cast<float>(((quants[i] >> 4) | fifth_bit(high, i + 16)) - 16);
    }
  }
};

struct BlockQ5_1 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint16_t minimum;
  uint8_t high[4];
  uint8_t quants[16];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    const float m = float_from_half(minimum);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((quants[i] & 0x0f) | fifth_bit(high, i)) + m;
      out[i + 16] = d * static_cast<float>((quants[i] >> 4) | fifth_bit(high, i + 16)) + m;
    }
  }
};

struct BlockQ8_0 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  int8_t quants[32];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(quants[i]) * d;
  }
};

}  // namespace sleb::quants
