#include "sleb/checkpoint/packed/affine_weight.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/encode.h"

namespace sleb {
namespace {

float element(const StoredTensor& tensor, int64_t index) {
  const auto bytes = static_cast<size_t>(bytes_per_block(tensor.type));
  float value = 0;
  decode(tensor.type, tensor.data.subspan(static_cast<size_t>(index) * bytes, bytes), {&value, 1});
  return value;
}

}  // namespace

std::vector<int32_t> AffineWeight::column_groups() const {
  std::vector<int32_t> groups(numbers_.group_of_column.size() / sizeof(int32_t));
  if (groups.empty()) return groups;
  std::memcpy(groups.data(), numbers_.group_of_column.data(), numbers_.group_of_column.size());
  for (size_t column = 0; column < groups.size(); ++column) {
    if (groups[column] >= 0 && groups[column] < numbers_.groups) continue;
    bad_input("{}: column {} is of group {}, and there are {} groups", numbers_.groups_place, column, groups[column],
              numbers_.groups);
  }
  return groups;
}

void AffineWeight::read_scales(int64_t row, std::span<float> scales) const {
  const ScaleGrid& grid = numbers_.scales;
  for (size_t group = 0; group < scales.size(); ++group) {
    const int64_t index = row * grid.row_stride + static_cast<int64_t>(group) * grid.group_stride;
    scales[group] = element(grid.tensor, index);
    if (std::isfinite(scales[group])) continue;
    bad_input("{}: tensor {}: scale {} is {}, not a finite number", label(), quote(grid.tensor.name), index,
              scales[group]);
  }
}

void AffineWeight::read_zeros(int64_t row, std::span<float> zeros) const {
  if (!numbers_.zeros) {
    std::ranges::fill(zeros, static_cast<float>(numbers_.zero));
    return;
  }
  const int most = (1 << numbers_.zeros->bits) - 1;
  for (size_t group = 0; group < zeros.size(); ++group) {
    const int zero = static_cast<int>(numbers_.zeros->at(row, static_cast<int64_t>(group))) + numbers_.zero_offset;
    if (zero > most) {
      bad_input(
          "{}: the zero point of row {}, group {} is {}, too large for {} bits: programs differ in what they read",
          numbers_.zeros_place, row, group, zero, numbers_.zeros->bits);
    }
    zeros[group] = static_cast<float>(zero);
  }
}

void AffineWeight::decode_rows(int64_t first, int64_t count, std::span<float> out) const {
  constexpr int64_t tile = 32;  // rows whose numbers are unpacked at a time
  const std::vector<int32_t> groups = column_groups();
  const auto width = static_cast<size_t>(columns());
  const auto group_size = static_cast<size_t>(numbers_.group_size);
  std::vector<uint8_t> codes(width * static_cast<size_t>(std::min(tile, count)));
  std::vector<float> scales(static_cast<size_t>(numbers_.groups)), zeros(scales.size());
  for (int64_t begin = 0; begin < count; begin += tile) {
    const int64_t rows = std::min(tile, count - begin);
    numbers_.codes.read(first + begin, rows, columns(), codes);
    for (int64_t row = 0; row < rows; ++row) {
      read_scales(first + begin + row, scales);
      read_zeros(first + begin + row, zeros);
      const uint8_t* code = codes.data() + static_cast<size_t>(row) * width;
      const std::span<float> values = out.subspan(static_cast<size_t>(begin + row) * width, width);
      if (groups.empty()) {
        for (size_t column = 0, group = 0; column < width; column += group_size, ++group) {
          const size_t end = std::min(width, column + group_size);
          const float scale = scales[group], zero = zeros[group];
          for (size_t i = column; i < end; ++i) values[i] = scale * (static_cast<float>(code[i]) - zero);
        }
      } else {
        for (size_t i = 0; i < width; ++i) {
          const auto group = static_cast<size_t>(groups[i]);
          values[i] = scales[group] * (static_cast<float>(code[i]) - zeros[group]);
        }
      }
      round_to(value_type(), values);
    }
  }
}

int64_t AffineWeight::int4_group() const {
  if (numbers_.codes.bits != 4 || numbers_.groups * numbers_.group_size != columns()) return 0;
  const std::vector<int32_t> groups = column_groups();
  for (size_t column = 0; column < groups.size(); ++column) {
    if (groups[column] != static_cast<int64_t>(column) / numbers_.group_size) return 0;
  }
  return numbers_.group_size;
}

void AffineWeight::read_int4(const Int4Rows& out) const {
  numbers_.codes.read(0, rows(), columns(), out.codes);
  const auto groups = static_cast<size_t>(numbers_.groups);
  for (int64_t row = 0; row < rows(); ++row) {
    const std::span<float> scales = out.scales.subspan(static_cast<size_t>(row) * groups, groups);
    const std::span<float> offsets = out.offsets.subspan(static_cast<size_t>(row) * groups, groups);
    read_scales(row, scales);
    read_zeros(row, offsets);
    for (size_t group = 0; group < groups; ++group) offsets[group] *= -scales[group];
  }
}

void AffineWeight::check() const {
  static_cast<void>(column_groups());
  std::vector<float> numbers(static_cast<size_t>(numbers_.groups));
  for (int64_t row = 0; row < rows(); ++row) {
    read_scales(row, numbers);
    read_zeros(row, numbers);
  }
}

}  // namespace sleb
