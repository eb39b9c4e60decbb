#include "sleb/checkpoint/formats/stored_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/quants/blocks_of_32.h"
#include "sleb/checkpoint/formats/quants/codebooks.h"
#include "sleb/checkpoint/formats/quants/iq_types.h"
#include "sleb/checkpoint/formats/quants/k_quants.h"
#include "sleb/checkpoint/formats/quants/plain.h"

namespace sleb {
namespace {

using namespace quants;

// Blocks are copied out before use: the data may be misaligned, and a local copy can't alias `out`.
template <typename Block>
void decode_blocks(const std::byte* __restrict data, size_t blocks, float* __restrict out) {
  for (size_t i = 0; i < blocks; ++i) {
    Block block;
    std::memcpy(&block, data + i * sizeof(Block), sizeof(Block));
    block.decode(out + i * Block::elements);
  }
}

[[noreturn]] void decode_packed(const std::byte* /*data*/, size_t /*blocks*/, float* /*out*/) {
  failed("a packed weight can't be decoded from one tensor");
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
    row<BlockF64>(StoredType::f64, "F64"),     // IEEE 754 binary64
    row<BlockF16>(StoredType::f16, "F16"),     // IEEE 754 binary16
    row<BlockBF16>(StoredType::bf16, "BF16"),  // the upper half of a binary32
    row<BlockFp8<4>>(StoredType::f8_e4m3, "F8_E4M3"),
    row<BlockFp8<5>>(StoredType::f8_e5m2, "F8_E5M2"),
    row<BlockQ4_0>(StoredType::q4_0, "Q4_0"),           // scale * (quant - 8)
    row<BlockQ4_1>(StoredType::q4_1, "Q4_1"),           // scale * quant + minimum
    row<BlockQ5_0>(StoredType::q5_0, "Q5_0"),           // scale * (quant - 16)
    row<BlockQ5_1>(StoredType::q5_1, "Q5_1"),           // scale * quant + minimum
    row<BlockQ8_0>(StoredType::q8_0, "Q8_0"),           // scale * quant
    row<BlockQ2_K>(StoredType::q2_k, "Q2_K"),           // scale * group scale * quant - minimum * group minimum
    row<BlockQ3_K>(StoredType::q3_k, "Q3_K"),           // scale * group scale * (quant - 4)
    row<BlockQ4_K>(StoredType::q4_k, "Q4_K"),           // scale * group scale * quant - minimum * group minimum
    row<BlockQ5_K>(StoredType::q5_k, "Q5_K"),           // scale * group scale * quant - minimum * group minimum
    row<BlockQ6_K>(StoredType::q6_k, "Q6_K"),           // scale * group scale * (quant - 32)
    row<BlockIQ4_NL>(StoredType::iq4_nl, "IQ4_NL"),     // scale * value[quant]
    row<BlockIQ4_XS>(StoredType::iq4_xs, "IQ4_XS"),     // scale * group scale * value[quant]
    row<BlockMXFP4>(StoredType::mxfp4, "MXFP4"),        // 2^exponent * value[quant]
    row<BlockTQ1_0>(StoredType::tq1_0, "TQ1_0"),        // scale * digit
    row<BlockTQ2_0>(StoredType::tq2_0, "TQ2_0"),        // scale * (quant - 1)
    row<BlockIQ1_S>(StoredType::iq1_s, "IQ1_S"),        // scale * group scale * (codebook[quant] + delta)
    row<BlockIQ1_M>(StoredType::iq1_m, "IQ1_M"),        // scale * group scale * (codebook[quant] + delta)
    row<BlockIQ2_XXS>(StoredType::iq2_xxs, "IQ2_XXS"),  // scale * group scale * codebook[quant] * sign
    row<BlockIQ2_XS>(StoredType::iq2_xs, "IQ2_XS"),
    row<BlockIQ2_S>(StoredType::iq2_s, "IQ2_S"),
    row<BlockIQ3_XXS>(StoredType::iq3_xxs, "IQ3_XXS"),
    row<BlockIQ3_S>(StoredType::iq3_s, "IQ3_S"),
    row<BlockInteger<int8_t>>(StoredType::i8, "I8"),
    row<BlockInteger<uint8_t>>(StoredType::u8, "U8"),
    row<BlockInteger<int16_t>>(StoredType::i16, "I16"),
    row<BlockInteger<uint16_t>>(StoredType::u16, "U16"),
    row<BlockInteger<int32_t>>(StoredType::i32, "I32"),
    row<BlockInteger<uint32_t>>(StoredType::u32, "U32"),
    row<BlockInteger<int64_t>>(StoredType::i64, "I64"),
    row<BlockInteger<uint64_t>>(StoredType::u64, "U64"),
    row<BlockInteger<uint8_t>>(StoredType::boolean, "BOOL"),
    TypeRow{StoredType::packed, "packed", 1, 1, decode_packed},
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

uint64_t TensorLayout::bytes() const {
  const std::optional<int64_t> elements = count_elements(shape);
  if (!elements) failed("tensor {}: too large", quote(name));
  return encoded_bytes(type, *elements);
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
  assert(type == StoredType::packed || data.size() == encoded_bytes(type, static_cast<int64_t>(out.size())));
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

std::string quote_all(std::span<const std::string> names) {
  constexpr size_t most = 10;
  std::string text;
  for (const std::string& name : names.first(std::min(names.size(), most))) {
    text += (text.empty() ? "" : ", ") + quote(name);
  }
  return names.size() > most ? fmt::format("{} and {} more", text, names.size() - most) : text;
}

}  // namespace sleb
