// A matrix of small unsigned numbers, packed into 32-bit words, the lowest bits first, without gaps.
#pragma once

#include <cstdint>
#include <span>

#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

// The order of eight 4-bit numbers within a word: from the low end on, AWQ's are numbers 0, 2, 4, 6, 1, 3, 5 and 7
// (autoawq, awq/utils/packing_utils.py: AWQ_ORDER).
enum class NibbleOrder { ascending, awq };

struct PackedCodes {
  Bytes data;
  int bits = 4;              // of one number: 2, 3, 4 or 8
  int64_t line = 0;          // bytes of one row of the stored matrix
  bool packs_rows = false;   // a word holds numbers of one column, else of one row
  bool words_first = false;  // the stored matrix's rows are places of words, else of numbers
  NibbleOrder order = NibbleOrder::ascending;
  uint8_t flipped = 0;  // bits that are stored inverted: 0x80 makes int8 unsigned

  // Bytes of `count` numbers.
  static int64_t words(int64_t count, int bits) { return (count * bits + 31) / 32; }

  uint32_t at(int64_t row, int64_t column) const;
  // Rows [first, first + rows), [rows, columns].
  void read(int64_t first, int64_t rows, int64_t columns, std::span<uint8_t> out) const;

 private:
  uint32_t word(int64_t place, int64_t across) const;
  int shift(int64_t along) const;
};

}  // namespace sleb
