#include "sleb/checkpoint/packed/packed_codes.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sleb {
namespace {

// Where number i of a word's eight begins.
constexpr std::array<int, 8> ascending_shifts = {0, 4, 8, 12, 16, 20, 24, 28};
constexpr std::array<int, 8> awq_shifts = {0, 16, 4, 20, 8, 24, 12, 28};

constexpr const std::array<int, 8>& shifts_of(NibbleOrder order) {
  return order == NibbleOrder::awq ? awq_shifts : ascending_shifts;
}

}  // namespace

uint32_t PackedCodes::word(int64_t place, int64_t across) const {
  const int64_t begin = words_first ? place * line + across * 4 : across * line + place * 4;
  uint32_t value = 0;
  std::memcpy(&value, data.data() + begin, sizeof(value));
  return value;
}

int PackedCodes::shift(int64_t along) const {
  if (bits == 4) return shifts_of(order)[static_cast<size_t>(along % 8)];
  return static_cast<int>(along * bits % 32);
}

uint32_t PackedCodes::at(int64_t row, int64_t column) const {
  const uint32_t mask = (1U << bits) - 1;
  if (bits == 8 && !packs_rows && !words_first) {  // bytes: their number need not be one of whole words
    return static_cast<uint32_t>(data[static_cast<size_t>(row * line + column)]) ^ flipped;
  }
  const int64_t along = packs_rows ? row : column, across = packs_rows ? column : row;
  const int64_t place = along * bits / 32;
  const int begin = shift(along);
  uint64_t value = word(place, across);
  if (begin + bits > 32) value |= uint64_t{word(place + 1, across)} << 32;
  return (static_cast<uint32_t>(value >> begin) & mask) ^ flipped;
}

void PackedCodes::read(int64_t first, int64_t rows, int64_t columns, std::span<uint8_t> out) const {
  const auto width = static_cast<size_t>(columns);
  if (bits == 4 && !packs_rows && words_first) {
    for (int64_t column = 0; column < columns; column += 8) {
      const auto count = static_cast<size_t>(std::min<int64_t>(8, columns - column));
      for (int64_t row = 0; row < rows; ++row) {
        const uint32_t eight = word(column / 8, first + row);
        uint8_t* place = out.data() + static_cast<size_t>(row) * width + static_cast<size_t>(column);
        for (size_t i = 0; i < count; ++i) place[i] = static_cast<uint8_t>(eight >> (4 * i) & 0x0f);
      }
    }
  } else if (bits == 4 && packs_rows && !words_first && first % 8 == 0) {
    const std::array<int, 8>& shifts = shifts_of(order);
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t row = 0; row < rows; row += 8) {
        const uint32_t eight = word((first + row) / 8, column);
        uint8_t* place = out.data() + static_cast<size_t>(row) * width + static_cast<size_t>(column);
        const auto count = static_cast<size_t>(std::min<int64_t>(8, rows - row));
        for (size_t i = 0; i < count; ++i) place[i * width] = static_cast<uint8_t>(eight >> shifts[i] & 0x0f);
      }
    }
  } else if (bits == 4 && !packs_rows) {
    for (int64_t row = 0; row < rows; ++row) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(data.data()) + (first + row) * line;
      uint8_t* place = out.data() + static_cast<size_t>(row) * width;
      for (size_t i = 0; i < width; ++i) place[i] = static_cast<uint8_t>(bytes[i / 2] >> (i % 2 * 4) & 0x0f);
    }
  } else {
    size_t next = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        out[next++] = static_cast<uint8_t>(at(first + row, column));
      }
    }
  }
}

}  // namespace sleb
