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

// The fifth bit of the elements, 0 or 16: element i's is bit i of `high`, two bytes at a time. (A table of bits instead
// of shifts by i: those do not vectorise on every x86-64.)
inline constexpr std::array<uint16_t, 16> single_bits = {1,   2,   4,    8,    16,   32,   64,    128,
                                                         256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
inline int fifth_bit(uint16_t high, int i) {
  return (high & single_bits[static_cast<size_t>(i)]) != 0 ? 16 : 0;
}

struct BlockQ5_0 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint16_t high[2];
  uint8_t quants[16];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(((quants[i] & 0x0f) | fifth_bit(high[0], i)) - 16);
      out[i + 16] = d * static_cast<float>(((quants[i] >> 4) | fifth_bit(high[1], i)) - 16);
    }
  }
};

struct BlockQ5_1 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint16_t minimum;
  uint16_t high[2];
  uint8_t quants[16];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    const float m = float_from_half(minimum);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((quants[i] & 0x0f) | fifth_bit(high[0], i)) + m;
      out[i + 16] = d * static_cast<float>((quants[i] >> 4) | fifth_bit(high[1], i)) + m;
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
