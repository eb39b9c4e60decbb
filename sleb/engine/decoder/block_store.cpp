#include "sleb/engine/decoder/block_store.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {
namespace {

constexpr uint64_t streamed_at_once = 2;  // the block in use, and the next

}  // namespace

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

BlockStore::BlockStore(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency,
                       Progress& progress)
    : checkpoint_(&checkpoint), compute_(compute), resident_(residency.is_resident.size()) {
  const std::vector<bool>& is_resident = residency.is_resident;
  follower_.resize(resident_.size(), -1);
  progress.begin("loading", static_cast<uint64_t>(std::ranges::count(is_resident, true)), "blocks");
  for (size_t i = 0; i < resident_.size(); ++i) {
    if (!is_resident[i]) continue;
    check_interrupt();
    resident_[i] = load(static_cast<int64_t>(i));
    progress.advance(1);
  }
  // At first the next streamed one, and of the last the first.
  int64_t follower = std::ranges::find(is_resident, false) - is_resident.begin();
  for (size_t i = resident_.size(); i > 0; --i) {
    follower_[i - 1] = follower;
    if (!is_resident[i - 1]) follower = static_cast<int64_t>(i - 1);
  }
  progress.end();
}

const Block& BlockStore::block(int64_t index) const {
  const auto place = static_cast<size_t>(index);
  if (resident_[place]) return *resident_[place];
  if (index == current_index_) return *current_;
  if (current_index_ >= 0) follower_[static_cast<size_t>(current_index_)] = index;
  // Never more than two: the old one goes before the next one is begun, and one that nobody wants before another comes.
  current_.reset();
  current_index_ = -1;
  const bool is_expected = std::exchange(next_index_, -1) == index;
  std::unique_ptr<Block> block = next_.valid() ? next_.get() : nullptr;
  if (!is_expected) {
    block.reset();
    block = load(index);
  }
  current_ = std::move(block);
  current_index_ = index;
  if (follower_[place] != index) read_ahead(follower_[place]);
  return *current_;
}

std::unique_ptr<Block> BlockStore::load(int64_t index) const {
  return std::make_unique<Block>(WeightLoader(*checkpoint_, compute_), checkpoint_->spec(), index);
}

void BlockStore::read_ahead(int64_t index) const {
  next_index_ = index;
  next_ = std::async(std::launch::async, [this, index] {
    const c10::InferenceMode guard;
    at::set_num_threads(1);  // of this thread: the others compute
    return load(index);
  });
}

}  // namespace sleb
