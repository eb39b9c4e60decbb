#include "sleb/engine/plans/residency.h"

#include <algorithm>
#include <numeric>

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

std::optional<Residency> Residency::spread(std::span<const uint64_t> room, uint64_t other_bytes, uint64_t block_bytes,
                                           int64_t num_blocks) {
  std::vector<int64_t> fit;  // blocks, per device
  for (size_t i = 0; i < room.size(); ++i) {
    const uint64_t own = i == 0 ? room[i] - std::min(room[i], other_bytes) : room[i];
    fit.push_back(static_cast<int64_t>(own / block_bytes));
  }
  const int64_t most = std::accumulate(fit.begin(), fit.end(), int64_t{0});
  if (room.empty() || room[0] < other_bytes || most < num_blocks) return {};
  Residency all = unbounded(other_bytes, block_bytes, num_blocks);
  int64_t reached = 0;  // blocks that fit up to the device
  for (size_t i = 0; i < fit.size(); ++i) {
    reached += fit[i];
    all.devices.resize(static_cast<size_t>(reached * num_blocks / most), static_cast<int64_t>(i));
  }
  return all;
}

bool Residency::all_resident() const {
  return std::ranges::find(is_resident, false) == is_resident.end();
}

int64_t Residency::resident_blocks() const {
  return std::ranges::count(is_resident, true);
}

int64_t Residency::num_devices() const {
  return devices.empty() ? 1 : 1 + *std::ranges::max_element(devices);
}

}  // namespace sleb
