// How much of a model stays in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sleb {

// The block in use, and the next.
constexpr uint64_t streamed_at_once = 2;

// Which blocks stay in memory when that is bounded: evenly spread, so that while one of them computes, the next of the
// others is read.
struct Residency {
  std::vector<bool> is_resident;  // [blocks]
  uint64_t bytes = 0;             // of weights at most in memory together, those of two blocks on their way included
  std::vector<int64_t> devices = {};  // [blocks]: where each is, or is read to; empty: all on the first

  // `other_bytes`: weights outside the blocks, always resident. Throws Error(bad_input), naming the smallest limit that
  // would do, if not even two blocks fit beside them.
  static Residency under_limit(uint64_t limit, uint64_t other_bytes, uint64_t block_bytes, int64_t num_blocks);
  // All blocks.
  static Residency unbounded(uint64_t other_bytes, uint64_t block_bytes, int64_t num_blocks);
  // All blocks, on several devices that have so much room for weights: the first blocks on the first device, with what
  // is outside the blocks, and each device as full as the others. Nothing if there is not room enough.
  static std::optional<Residency> spread(std::span<const uint64_t> room, uint64_t other_bytes, uint64_t block_bytes,
                                         int64_t num_blocks);

  bool all_resident() const;
  int64_t resident_blocks() const;
  // The first devices, those that it needs.
  int64_t num_devices() const;
  int64_t device(int64_t block) const { return devices.empty() ? 0 : devices[static_cast<size_t>(block)]; }
};

}  // namespace sleb
