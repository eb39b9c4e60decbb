// Weights that are stored as integers 0 to 15 with a scale and an offset for a group of a row's columns: what programs
// for such weights multiply without decoding them.
#pragma once

#include <cstdint>
#include <span>

#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

// value = scale * code + offset
struct Int4Rows {
  std::span<uint8_t> codes;  // [rows, columns]
  std::span<float> scales;   // [rows, groups]
  std::span<float> offsets;  // [rows, groups]
};

// Columns of a group: 32 for Q4_0 and Q4_1; 0 for the other types.
int64_t int4_group(StoredType type);
// Of a type that has groups; `data` as decode() takes it.
void read_int4(StoredType type, Bytes data, const Int4Rows& out);

}  // namespace sleb
