// ggml's types of 1 to 3 bits: 256 elements share a half-precision scale; eight or four of them are an entry of a
// codebook (iq_grids.h), groups of 8 to 32 have small scales of their own (ggml-common.h, byte for byte). All products
// are exact in float32.
#pragma once

#include <bit>
#include <cstddef>

#include "sleb/checkpoint/formats/quants/iq_grids.h"
#include "sleb/checkpoint/formats/quants/plain.h"

namespace sleb::quants {

inline constexpr std::array<float, 4> iq2_values = {8, 25, 43, 0};  // the codebooks have no fourth
inline constexpr std::array<float, 8> iq3_xxs_values = {4, 12, 20, 28, 36, 44, 52, 62};

// Seven signs are stored of eight: the number of minuses is even.
inline uint8_t eight_signs(uint32_t seven) {
  const uint32_t low = seven & 0x7fU;
  return static_cast<uint8_t>(low | static_cast<uint32_t>(std::popcount(low) & 1) << 7);
}

// One entry, each value times `scale`, and -1 where its bit of `signs` is set.
inline void decode_iq2(uint16_t entry, uint8_t signs, float scale, float* out) {
  for (size_t i = 0; i < 8; ++i) {
    const float value = scale * iq2_values[(entry >> (2 * i)) & 0x03];
    out[i] = (signs >> i & 1) != 0 ? -value : value;
  }
}
inline void decode_iq3(uint16_t entry, const std::array<float, 8>& values, uint8_t signs, float scale, float* out) {
  for (size_t i = 0; i < 4; ++i) {
    const float value = scale * values[(entry >> (3 * i)) & 0x07];
    out[i] = (signs >> i & 1) != 0 ? -value : value;
  }
}
inline void decode_iq1(uint16_t entry, float scale, float delta, float* out) {
  for (size_t i = 0; i < 8; ++i) {
    out[i] = scale * (static_cast<float>((entry >> (2 * i)) & 0x03) - 1 + delta);
  }
}

inline float half_steps(float scale, int steps) {
  return scale * (0.5F + static_cast<float>(steps));
}

struct BlockIQ2_XXS {
  static constexpr int64_t elements = 256;
  struct Group {  // of 32
    uint8_t entries[4];
    uint32_t signs_and_scale;  // 4 x 7 bits of signs, 4 bits of scale
  } __attribute__((packed));
  uint16_t scale;
  Group groups[8];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (const Group& group : groups) {
      const uint32_t bits = group.signs_and_scale;
      const float group_scale = half_steps(d, static_cast<int>(bits >> 28)) * 0.25F;
      for (size_t i = 0; i < 4; ++i, out += 8) {
        decode_iq2(iq2_xxs_grid[group.entries[i]], eight_signs(bits >> (7 * i)), group_scale, out);
      }
    }
  }
} __attribute__((packed));

struct BlockIQ2_XS {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint16_t quants[32];  // of 8 elements: 9 bits of entry, 7 of signs
  uint8_t scales[8];    // of groups of 16, low nibble first

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t i = 0; i < 32; ++i) {
      const int steps = (scales[i / 4] >> (i / 2 % 2 * 4)) & 0x0f;
      decode_iq2(iq2_xs_grid[quants[i] & 0x01ff], eight_signs(quants[i] >> 9), half_steps(d, steps) * 0.25F,
                 out + 8 * i);
    }
  }
};

struct BlockIQ2_S {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint8_t quants[32];  // the lower 8 bits of an entry's number
  uint8_t signs[32];
  uint8_t high[8];    // the upper 2 bits, four entries a byte
  uint8_t scales[8];  // of groups of 16, low nibble first

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t i = 0; i < 32; ++i) {
      const size_t entry = quants[i] | static_cast<size_t>((high[i / 4] >> (i % 4 * 2)) & 0x03) << 8;
      const int steps = (scales[i / 4] >> (i / 2 % 2 * 4)) & 0x0f;
      decode_iq2(iq2_s_grid[entry], signs[i], half_steps(d, steps) * 0.25F, out + 8 * i);
    }
  }
};

struct BlockIQ3_XXS {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint8_t quants[64];
  uint32_t signs_and_scales[8];  // of groups of 32: 4 x 7 bits of signs, 4 bits of scale

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t bits = signs_and_scales[i / 8];
      const uint8_t signs = eight_signs(bits >> (i % 8 / 2 * 7));
      decode_iq3(iq3_xxs_grid[quants[i]], iq3_xxs_values, static_cast<uint8_t>(signs >> (i % 2 * 4)),
                 half_steps(d, static_cast<int>(bits >> 28)) * 0.5F, out + 4 * i);
    }
  }
} __attribute__((packed));

struct BlockIQ3_S {
  static constexpr int64_t elements = 256;
  static constexpr std::array<float, 8> values = {1, 3, 5, 7, 9, 11, 13, 15};
  uint16_t scale;
  uint8_t quants[64];
  uint8_t high[8];  // the ninth bit of eight entries' numbers
  uint8_t signs[32];
  uint8_t scales[4];  // of groups of 32, low nibble first

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t i = 0; i < 64; ++i) {
      const size_t entry = quants[i] | static_cast<size_t>(high[i / 8] >> i % 8 & 1) << 8;
      const int steps = (scales[i / 16] >> (i / 8 % 2 * 4)) & 0x0f;
      decode_iq3(iq3_s_grid[entry], values, static_cast<uint8_t>(signs[i / 2] >> (i % 2 * 4)),
                 d * static_cast<float>(1 + 2 * steps), out + 4 * i);
    }
  }
};

// The 1-bit types add or subtract this from every value of an entry.
inline constexpr float iq1_delta = 0.125F;

struct BlockIQ1_S {
  static constexpr int64_t elements = 256;
  uint16_t scale;
  uint8_t quants[32];  // the lower 8 bits of an entry's number
  uint16_t high[8];    // of groups of 32: 4 x 3 upper bits, 3 bits of scale, 1 of delta's sign

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (size_t i = 0; i < 32; ++i) {
      const int bits = high[i / 4];
      const size_t entry = quants[i] | static_cast<size_t>((bits >> (i % 4 * 3)) & 0x07) << 8;
      const float delta = (bits & 0x8000) != 0 ? -iq1_delta : iq1_delta;
      decode_iq1(iq1_grid[entry], d * static_cast<float>(2 * ((bits >> 12) & 0x07) + 1), delta, out + 8 * i);
    }
  }
};

struct BlockIQ1_M {
  static constexpr int64_t elements = 256;
  uint8_t quants[32];  // the lower 8 bits of an entry's number
  uint8_t high[16];    // a nibble an entry: 3 upper bits, 1 of delta's sign
  uint16_t scales[4];  // 4 x 3 bits, of groups of 16; the upper 4 bits are a quarter of the block's scale

  void decode(float* out) const {
    uint32_t half = 0;
    for (size_t i = 0; i < 4; ++i) half |= static_cast<uint32_t>(scales[i] >> 12) << (4 * i);
    const float d = float_from_half(static_cast<uint16_t>(half));
    for (size_t i = 0; i < 32; ++i) {
      const int bits = high[i / 2] >> (i % 2 * 4);
      const size_t entry = quants[i] | static_cast<size_t>(bits & 0x07) << 8;
      const int steps = (scales[i / 8] >> (i / 2 % 4 * 3)) & 0x07;
      decode_iq1(iq1_grid[entry], d * static_cast<float>(2 * steps + 1), (bits & 0x08) != 0 ? -iq1_delta : iq1_delta,
                 out + 8 * i);
    }
  }
};

}  // namespace sleb::quants
