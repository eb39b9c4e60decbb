#include "sleb/engine/residency.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/numbers.h"

namespace sleb {

Residency Residency::unbounded(uint64_t other_bytes, uint64_t block_bytes, int64_t num_blocks) {
  return {std::vector<bool>(static_cast<size_t>(num_blocks), true),
          other_bytes + block_bytes * static_cast<uint64_t>(num_blocks)};
}

Residency Residency::under_limit(uint64_t limit, uint64_t other_bytes, uint64_t block_bytes, int64_t num_blocks) {
  Residency all = unbounded(other_bytes, block_bytes, num_blocks);
  if (all.bytes <= limit) return all;
  const uint64_t least = std::min(all.bytes, other_bytes + streamed_at_once * block_bytes);
  if (least > limit) {
    bad_input(
        "--weights-memory {}: embedding aside, the weights outside the blocks and two blocks at a time take {}; "
        "give at least {}",
        format_bytes(limit), format_bytes(least), least);
  }
  const auto fit = static_cast<int64_t>((limit - least) / block_bytes);
  Residency some{{}, least + block_bytes * static_cast<uint64_t>(fit)};
  for (int64_t i = 0; i < num_blocks; ++i) {
    some.is_resident.push_back((i + 1) * fit / num_blocks > i * fit / num_blocks);
  }
  return some;
}

bool Residency::all_resident() const {
  return std::ranges::find(is_resident, false) == is_resident.end();
}

int64_t Residency::resident_blocks() const {
  return std::ranges::count(is_resident, true);
}

}  // namespace sleb
