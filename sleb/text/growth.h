// How much longer than a text what a tokenizer's file makes of it may be.
#pragma once

#include <cstddef>

namespace sleb {

// Of a text of so many bytes, how many a rewriting from an untrusted file may make: no normalizer in use makes a text
// more than a few times longer; the longest decomposition is eleven times as long.
constexpr size_t most_growth = 64;
constexpr size_t longest_rewriting(size_t bytes) {
  return bytes * most_growth + (size_t{1} << 16);
}

}  // namespace sleb
