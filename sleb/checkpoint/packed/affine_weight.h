// Weights whose value is a scale times the difference of a packed number and a zero point, both of a row and a group of
// columns: AWQ, GPTQ, compressed-tensors' integers.
#pragma once

#include <optional>
#include <vector>

#include "sleb/checkpoint/packed/packed_codes.h"
#include "sleb/checkpoint/packed/packed_weight.h"

namespace sleb {

// Scales of a weight's rows and groups of columns.
struct ScaleGrid {
  StoredTensor tensor = {};  // F32, F16 or BF16
  int64_t row_stride = 0;    // elements from one row's to the next's; 0: one for all rows
  int64_t group_stride = 0;
};

struct AffineNumbers {
  PackedCodes codes = {};                 // [rows, columns]
  ScaleGrid scales = {};                  // [rows, groups]
  std::optional<PackedCodes> zeros = {};  // [rows, groups]; nothing: `zero` is everyone's
  std::string zeros_place = {};           // for messages
  int zero = 0;
  int zero_offset = 0;  // added to every stored zero point
  int64_t groups = 1;
  int64_t group_size = 1;      // columns, the last may be fewer
  Bytes group_of_column = {};  // int32 a column in place of column / group_size; empty: none
  std::string groups_place = {};
};

class AffineWeight : public PackedWeight {
 public:
  AffineWeight(Description description, AffineNumbers numbers)
      : PackedWeight(std::move(description)), numbers_(std::move(numbers)) {}

  void decode_rows(int64_t first, int64_t count, std::span<float> out) const override;
  void check() const override;
  // None where columns have their groups in another order.
  int64_t int4_group() const override;
  void read_int4(const Int4Rows& out) const override;

 private:
  std::vector<int32_t> column_groups() const;
  // Of one row, [groups].
  void read_scales(int64_t row, std::span<float> scales) const;
  void read_zeros(int64_t row, std::span<float> zeros) const;

  AffineNumbers numbers_;
};

}  // namespace sleb
