// ggml's 4-bit types whose quants are places in a table of 16 values, and its ternary types (ggml-common.h, byte for
// byte). All products are exact in float32.
#pragma once

#include <cstddef>

#include "sleb/checkpoint/formats/quants/plain.h"

namespace sleb::quants {

// kvalues_iq4nl of ggml-common.h.
inline constexpr std::array<float, 16> iq4_values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};
// E2M1, doubled (OCP Microscaling Formats 1.0).
inline constexpr std::array<float, 16> e2m1_values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 32 values: the low nibbles of 16 bytes, then the high ones.
inline void decode_nibbles(const uint8_t* bytes, const std::array<float, 16>& values, float scale, float* out) {
  for (size_t i = 0; i < 16; ++i) {
    out[i] = scale * values[bytes[i] & 0x0f];
    out[i + 16] = scale * values[bytes[i] >> 4];
  }
}

struct BlockIQ4_NL {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  uint8_t quants[16];

  void decode(float* out) const { decode_nibbles(quants, iq4_values, float_from_half(scale), out); }
};

struct BlockIQ4_XS {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint16_t high_scales;   // upper 2 bits of the scale of group g, of 32, at bit 2 g
  uint8_t low_scales[4];  // low 4 bits, a nibble each, low nibble first
  uint8_t quants[128];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t group = 0; group < 8; ++group) {
      const int low = (low_scales[group / 2] >> (group % 2 * 4)) & 0x0f;
      const int high = (high_scales >> (2 * group)) & 0x03;
      const float group_scale = d * static_cast<float>((low | high << 4) - 32);
      decode_nibbles(quants + group * 16, iq4_values, group_scale, out + group * 32);
    }
  }
};

struct BlockMXFP4 {
  static constexpr int64_t elements = 32;
  uint8_t exponent;  // the scale is 2^(exponent - 127), of which half is taken since the values are doubled
  uint8_t quants[16];

  void decode(float* out) const {
    const uint32_t bits = exponent < 2 ? 0x00200000U << exponent : (exponent - 1U) << 23;
    decode_nibbles(quants, e2m1_values, std::bit_cast<float>(bits), out);
  }
};

// Digits -1, 0, 1, five to a byte: the byte is the fraction 0.abcde in base 3, rounded up. Multiplying by 3^n moves
// digit n to the front, where another 3 brings it above the byte.
struct BlockTQ1_0 {
  static constexpr int64_t elements = 256;
  uint8_t quants[48];  // digit n of the first 32 bytes: elements 32 n and on; of the other 16: 160 + 16 n and on
  uint8_t last[4];     // digit n: elements 240 + 4 n and on
  uint16_t scale;

  static void decode_digits(const uint8_t* bytes, size_t count, size_t digits, float scale, float* out) {
    int power = 1;
    for (size_t n = 0; n < digits; ++n, power *= 3) {
      for (size_t i = 0; i < count; ++i) {
        const int front = static_cast<uint8_t>(bytes[i] * power);
        out[n * count + i] = scale * static_cast<float>((front * 3 >> 8) - 1);
      }
    }
  }

  void decode(float* out) const {
    const float d = float_from_half(scale);
    decode_digits(quants, 32, 5, d, out);
    decode_digits(quants + 32, 16, 5, d, out + 160);
    decode_digits(last, 4, 4, d, out + 240);
  }
};

struct BlockTQ2_0 {
  static constexpr int64_t elements = 256;
  uint8_t quants[64];  // in each half of the block, 32 bytes hold quarter q at bit 2 q
  uint16_t scale;

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t quarter = 0; quarter < 8; ++quarter) {
      const uint8_t* bytes = quants + quarter / 4 * 32;
      const size_t shift = quarter % 4 * 2;
      for (size_t i = 0; i < 32; ++i) {
        out[quarter * 32 + i] = d * static_cast<float>(((bytes[i] >> shift) & 0x03) - 1);
      }
    }
  }
};

}  // namespace sleb::quants
