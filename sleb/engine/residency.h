// How much of a model stays in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace sleb {

// The block in use, and the next.
constexpr uint64_t streamed_at_once = 2;

// Which blocks stay in memory when that is bounded: evenly spread, so that while one of them computes, the next of the
// others is read.
struct Residency {
  std::vector<bool> is_resident;  // [blocks]
  uint64_t bytes = 0;             // of weights at most in memory together, those of two blocks on their way included

  // `other_bytes`: weights outside the blocks, always resident. Throws Error(bad_input), naming the smallest limit that
  // would do, if not even two blocks fit beside them.
  static Residency under_limit(uint64_t limit, uint64_t other_bytes, uint64_t block_bytes, int64_t num_blocks);
  // All blocks.
  static Residency unbounded(uint64_t other_bytes, uint64_t block_bytes, int64_t num_blocks);

  bool all_resident() const;
  int64_t resident_blocks() const;
};

}  // namespace sleb
