// ggml's K types: 256 elements share a half-precision scale, groups of 16 or 32 have small integer scales of their own
// (ggml-common.h, byte for byte). Products of a half, a group's scale and a quant take at most 24 bits, so they are
// exact in float32; where a minimum is subtracted, that is the only rounding.
#pragma once

#include <cstddef>

#include "sleb/checkpoint/formats/quants/plain.h"

namespace sleb::quants {

struct BlockQ2_K {
  static constexpr int64_t elements = 256;
  uint8_t scales[16];  // of a group of 16: low nibble its scale, high nibble its minimum
  uint8_t quants[64];  // in each half of the block, 32 bytes hold quarter q at bit 2 q
  uint16_t scale;
  uint16_t minimum;

  void decode(float* out) const {
    const float d = float_from_half(scale);
    const float m = float_from_half(minimum);
    for (size_t group = 0; group < 16; ++group) {
      const uint8_t* bytes = quants + group / 8 * 32 + group % 2 * 16;
      const size_t shift = group % 8 / 2 * 2;
      const float group_scale = d * static_cast<float>(scales[group] & 0x0f);
      const float group_minimum = m * static_cast<float>(scales[group] >> 4);
      for (size_t i = 0; i < 16; ++i) {
        out[group * 16 + i] = group_scale * static_cast<float>((bytes[i] >> shift) & 0x03) - group_minimum;
      }
    }
  }
};

struct BlockQ3_K {
  static constexpr int64_t elements = 256;
  uint8_t high[32];    // bit e of byte l: the third bit of element l of eighth e
  uint8_t quants[64];  // the lower 2 bits, as Q2_K's
  uint8_t scales[12];  // 6 bits a group of 16: the low 4 in eight bytes, then the upper 2 in four
  uint16_t scale;

  int group_scale(size_t group) const {
    const int low = (scales[group % 8] >> (group / 8 * 4)) & 0x0f;
    const int upper = (scales[8 + group % 4] >> (group / 4 * 2)) & 0x03;
    return (low | upper << 4) - 32;
  }

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t group = 0; group < 16; ++group) {
      const uint8_t* lows = quants + group / 8 * 32 + group % 2 * 16;
      const uint8_t* highs = high + group % 2 * 16;
      const size_t low_shift = group % 8 / 2 * 2, high_shift = group / 2;
      const float scaled = d * static_cast<float>(group_scale(group));
      for (size_t i = 0; i < 16; ++i) {
        const int quant = ((lows[i] >> low_shift) & 0x03) | (((highs[i] >> high_shift) & 0x01) << 2);
        out[group * 16 + i] = scaled * static_cast<float>(quant - 4);
      }
    }
  }
};

// 6-bit scales and minima of the eight groups of 32 that Q4_K and Q5_K have, in 12 bytes: groups 0 to 3 in the low 6
// bits of bytes 0 to 3 (scales) and 4 to 7 (minima), whose upper 2 bits belong to groups 4 to 7; those groups' low
// nibbles are in bytes 8 to 11, scale below minimum.
struct PackedScales {
  uint8_t bytes[12];

  int scale(size_t group) const {
    if (group < 4) return bytes[group] & 0x3f;
    return (bytes[group + 4] & 0x0f) | (bytes[group - 4] >> 6 << 4);
  }
  int minimum(size_t group) const {
    if (group < 4) return bytes[group + 4] & 0x3f;
    return (bytes[group + 4] >> 4) | (bytes[group] >> 6 << 4);
  }
};

struct BlockQ4_K {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint16_t minimum;
  PackedScales scales;
  uint8_t quants[128];  // 32 bytes hold a group in their low and the next in their high nibbles

  void decode(float* out) const {
    const float d = float_from_half(scale);
    const float m = float_from_half(minimum);
    for (size_t group = 0; group < 8; group += 2) {
      const uint8_t* bytes = quants + group * 16;
      float* low = out + group * 32;
      float* high = low + 32;
      const float low_scale = d * static_cast<float>(scales.scale(group));
      const float low_minimum = m * static_cast<float>(scales.minimum(group));
      const float high_scale = d * static_cast<float>(scales.scale(group + 1));
      const float high_minimum = m * static_cast<float>(scales.minimum(group + 1));
      for (size_t i = 0; i < 32; ++i) low[i] = low_scale * static_cast<float>(bytes[i] & 0x0f) - low_minimum;
      for (size_t i = 0; i < 32; ++i) high[i] = high_scale * static_cast<float>(bytes[i] >> 4) - high_minimum;
    }
  }
};

struct BlockQ5_K {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint16_t minimum;
  PackedScales scales;
  uint8_t high[32];     // bit g of byte i: the fifth bit of element i of group g
  uint8_t quants[128];  // the lower 4 bits, as Q4_K's

  void decode(float* out) const {
    const float d = float_from_half(scale);
    const float m = float_from_half(minimum);
    for (size_t group = 0; group < 8; ++group) {
      const uint8_t* bytes = quants + group / 2 * 32;
      const size_t shift = group % 2 * 4;
      const float group_scale = d * static_cast<float>(scales.scale(group));
      const float group_minimum = m * static_cast<float>(scales.minimum(group));
      for (size_t i = 0; i < 32; ++i) {
        const int quant = ((bytes[i] >> shift) & 0x0f) | (((high[i] >> group) & 0x01) << 4);
        out[group * 32 + i] = group_scale * static_cast<float>(quant) - group_minimum;
      }
    }
  }
};

struct BlockQ6_K {
  static constexpr int64_t elements = 256;
  uint8_t low[128];  // low 4 bits: in each half of the block, 64 bytes hold quarters 0 and 1 low, 2 and 3 high
  uint8_t high[64];  // upper 2 bits: in each half, 32 bytes hold quarter q at bit 2 q
  int8_t scales[16];
  uint16_t scale;

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t group = 0; group < 16; ++group) {  // of 16 elements; two make a quarter, eight a half of the block
      const size_t half = group / 8, quarter = group % 8 / 2, start = group % 2 * 16;
      const uint8_t* lows = low + half * 64 + quarter % 2 * 32 + start;
      const uint8_t* highs = high + half * 32 + start;
      const size_t low_shift = quarter < 2 ? 0 : 4, high_shift = quarter * 2;
      const float group_scale = d * static_cast<float>(scales[group]);
      for (size_t i = 0; i < 16; ++i) {
        const int quant = ((lows[i] >> low_shift) & 0x0f) | (((highs[i] >> high_shift) & 0x03) << 4);
        out[group * 16 + i] = group_scale * static_cast<float>(quant - 32);
      }
    }
  }
};

}  // namespace sleb::quants
