// A tensor as a file holds it: its type, its shape, and where its bytes lie in the mapped file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/file.h"

namespace sleb {

enum class StoredType {
  f32,
  f64,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
  tq1_0,
  tq2_0,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  // What safetensors hold beside weights, and parts of weights that are stored in several tensors (packed_weight.h).
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  boolean,
  packed,  // no type of one tensor: a weight that is stored in several (packed/packed_weight.h); its data is empty
};

// "F32", "BF16", "Q4_1", ...
std::string_view name_of(StoredType type);
std::optional<StoredType> type_named(std::string_view name);
// Elements that share one block of the encoding (1 for the plain types), and the bytes of such a block.
int64_t elements_per_block(StoredType type);
int64_t bytes_per_block(StoredType type);
inline bool is_quantized(StoredType type) {
  return elements_per_block(type) > 1;
}
inline bool is_integer(StoredType type) {
  return type >= StoredType::i8 && type <= StoredType::boolean;
}

struct StoredTensor {
  std::string name;
  StoredType type;
  std::vector<int64_t> shape;  // outermost first, row-major
  Bytes data;                  // exactly as many bytes as type and shape need; may be misaligned

  int64_t elements() const;
};

// A tensor that a file will hold: known before the first byte is written, since the header comes first.
struct TensorLayout {
  std::string name;
  StoredType type;
  std::vector<int64_t> shape;

  uint64_t bytes() const;
};

// The product of non-negative dimensions (1 for none). Nothing if it, or the product of the first few, exceeds 2^60:
// at up to 8 bytes each, the bytes of the elements then still fit 63 bits.
std::optional<int64_t> count_elements(std::span<const int64_t> shape);

// Bytes of `elements` (a multiple of elements_per_block, at most 2^60) of `type`.
uint64_t encoded_bytes(StoredType type, int64_t elements);

// Decodes `data` to float32, equal bit for bit to the gguf wheel's `dequantize` for GGUF's types (ggml-quants.c is the
// format's definition) and exact for F32, F16, BF16 and 8-bit floats, whose scales are other tensors; F64 is rounded to
// the nearest, and so are large integers. `out` has as many elements as `data` encodes. Where a scale is infinite or
// NaN the result is NaN where the wheel's is, but the NaN's bits may differ.
void decode(StoredType type, Bytes data, std::span<float> out);

// A name found in a file, made fit for a one-line message: in quotes, control characters escaped, cut if very long.
// `name` is UTF-8.
std::string quote(std::string_view name);
// Several of them: "'a', 'b' and 7 more".
std::string quote_all(std::span<const std::string> names);

}  // namespace sleb
