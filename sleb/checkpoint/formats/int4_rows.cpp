#include "sleb/checkpoint/formats/int4_rows.h"

#include <cassert>
#include <cstring>

#include "sleb/checkpoint/formats/quants/blocks_of_32.h"

namespace sleb {
namespace {

constexpr int64_t block_columns = 32;

float offset_of(const quants::BlockQ4_0& block) {
  return -8 * quants::float_from_half(block.scale);
}
float offset_of(const quants::BlockQ4_1& block) {
  return quants::float_from_half(block.minimum);
}

template <typename Block>
void read_blocks(Bytes data, const Int4Rows& out) {
  for (size_t i = 0; i < out.scales.size(); ++i) {
    Block block;
    std::memcpy(&block, data.data() + i * sizeof block, sizeof block);
    out.scales[i] = quants::float_from_half(block.scale);
    out.offsets[i] = offset_of(block);
    uint8_t* codes = out.codes.data() + i * block_columns;
    for (size_t j = 0; j < block_columns / 2; ++j) {
      codes[j] = block.quants[j] & 0x0f;
      codes[j + block_columns / 2] = static_cast<uint8_t>(block.quants[j] >> 4);
    }
  }
}

}  // namespace

int64_t int4_group(StoredType type) {
  return type == StoredType::q4_0 || type == StoredType::q4_1 ? block_columns : 0;
}

void read_int4(StoredType type, Bytes data, const Int4Rows& out) {
  assert(int4_group(type) > 0 && out.codes.size() == out.scales.size() * block_columns);
  type == StoredType::q4_0 ? read_blocks<quants::BlockQ4_0>(data, out) : read_blocks<quants::BlockQ4_1>(data, out);
}

}  // namespace sleb
