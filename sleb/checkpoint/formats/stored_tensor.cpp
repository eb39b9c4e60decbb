#include "sleb/checkpoint/formats/stored_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace sleb {
namespace {

static_assert(std::endian::native == std::endian::little, "both formats are little-endian and read in place");

// Integer arithmetic and one exact subtraction, so that loops over it vectorise on every x86-64 and subnormals come out
// right even where the process flushes them to zero.
float float_from_half(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000U} << 16;
  const uint32_t magnitude = half & 0x7fffU;
  const uint32_t normal = (magnitude << 13) + (112U << 23);  // the exponent's bias goes from 15 to 127
  const uint32_t special = (magnitude << 13) | 0x7f800000U;
  // A subnormal half is m * 2^-24: put m below an implicit one worth 2^-14, then take that one away.
  const uint32_t implicit_one = 113U << 23;
  const float subnormal = std::bit_cast<float>((magnitude << 13) + implicit_one) - std::bit_cast<float>(implicit_one);
  const uint32_t finite = magnitude < 0x0400U ? std::bit_cast<uint32_t>(subnormal) : normal;
  return std::bit_cast<float>(sign | (magnitude >= 0x7c00U ? special : finite));
}

// The blocks of ggml-common.h, byte for byte. A half has 11 significant bits, so its products with a quant and with a
// group's scale are exact in float32. Only Q4_1's sum is rounded: once, as by ggml and numpy, fused or not.

struct BlockF32 {
  static constexpr int64_t elements = 1;
  float value;

  void decode(float* out) const { *out = value; }
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

struct BlockQ8_0 {
  static constexpr int64_t elements = 32;
  uint16_t scale;
  int8_t quants[32];

  void decode(float* out) const {
    const float d = float_from_half(scale);
    for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(quants[i]) * d;
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
      const int low_shift = quarter < 2 ? 0 : 4, high_shift = static_cast<int>(quarter) * 2;
      const float group_scale = d * static_cast<float>(scales[group]);
      for (size_t i = 0; i < 16; ++i) {
        const int quant = ((lows[i] >> low_shift) & 0x0f) | (((highs[i] >> high_shift) & 0x03) << 4);
        out[group * 16 + i] = group_scale * static_cast<float>(quant - 32);
      }
    }
  }
};

// Blocks are copied out before use: the data may be misaligned, and a local copy can't alias `out`.
template <typename Block>
void decode_blocks(const std::byte* __restrict data, size_t blocks, float* __restrict out) {
  for (size_t i = 0; i < blocks; ++i) {
    Block block;
    std::memcpy(&block, data + i * sizeof(Block), sizeof(Block));
    block.decode(out + i * Block::elements);
  }
}

struct TypeRow {
  StoredType type;
  std::string_view name;
  int64_t elements;
  int64_t bytes;
  void (*decode)(const std::byte* data, size_t blocks, float* out);
};

template <typename Block>
constexpr TypeRow row(StoredType type, std::string_view name) {
  return {type, name, Block::elements, sizeof(Block), decode_blocks<Block>};
}

constexpr std::array types = {
    row<BlockF32>(StoredType::f32, "F32"),     // IEEE 754 binary32
    row<BlockF16>(StoredType::f16, "F16"),     // IEEE 754 binary16
    row<BlockBF16>(StoredType::bf16, "BF16"),  // the upper half of a binary32
    row<BlockQ4_0>(StoredType::q4_0, "Q4_0"),  // scale * (quant - 8)
    row<BlockQ4_1>(StoredType::q4_1, "Q4_1"),  // scale * quant + minimum
    row<BlockQ8_0>(StoredType::q8_0, "Q8_0"),  // scale * quant
    row<BlockQ6_K>(StoredType::q6_k, "Q6_K"),  // scale * group scale * (quant - 32)
};

constexpr const TypeRow& row_of(StoredType type) {
  return types[static_cast<size_t>(type)];
}

constexpr bool rows_in_order() {
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i].type != static_cast<StoredType>(i)) return false;
  }
  return true;
}
static_assert(rows_in_order(), "row_of() indexes by type");

}  // namespace

std::string_view name_of(StoredType type) {
  return row_of(type).name;
}

std::optional<StoredType> type_named(std::string_view name) {
  for (const TypeRow& row : types) {
    if (row.name == name) return row.type;
  }
  return {};
}

int64_t elements_per_block(StoredType type) {
  return row_of(type).elements;
}
int64_t bytes_per_block(StoredType type) {
  return row_of(type).bytes;
}

int64_t StoredTensor::elements() const {
  return count_elements(shape).value();
}

std::optional<int64_t> count_elements(std::span<const int64_t> shape) {
  constexpr int64_t most = int64_t{1} << 60;
  int64_t product = 1;
  for (const int64_t dimension : shape) {
    assert(dimension >= 0);
    if (__builtin_mul_overflow(product, dimension, &product) || product > most) return {};
  }
  return product;
}

uint64_t encoded_bytes(StoredType type, int64_t elements) {
  const TypeRow& row = row_of(type);
  assert(elements % row.elements == 0);
  return static_cast<uint64_t>(elements / row.elements) * static_cast<uint64_t>(row.bytes);
}

void decode(StoredType type, Bytes data, std::span<float> out) {
  assert(data.size() == encoded_bytes(type, static_cast<int64_t>(out.size())));
  const TypeRow& row = row_of(type);
  row.decode(data.data(), data.size() / static_cast<size_t>(row.bytes), out.data());
}

std::string quote(std::string_view name) {
  constexpr size_t longest = 200;
  size_t length = std::min(name.size(), longest);
  if (length < name.size()) {
    while (length > 0 && (static_cast<unsigned char>(name[length]) & 0xc0) == 0x80) --length;  // whole characters only
  }
  std::string text = "'";
  for (const char c : name.substr(0, length)) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) {
      text += fmt::format("\\x{:02x}", code);
    } else {
      text += c;
    }
  }
  return text + (length < name.size() ? "...'" : "'");
}

}  // namespace sleb
