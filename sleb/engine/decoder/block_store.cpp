#include "sleb/engine/decoder/block_store.h"

#include <ATen/Parallel.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <utility>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/own_pages.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {
namespace {

// Another stream of the device than that of the computations, for the copies of one thread.
c10::Stream stream_for_copies(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

}  // namespace

BlockStore::BlockStore(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency,
                       Progress& progress)
    : checkpoint_(&checkpoint), compute_(compute), residency_(residency), resident_(residency.is_resident.size()) {
  const std::vector<bool>& is_resident = residency.is_resident;
  follower_.resize(resident_.size(), -1);
  for (size_t i = 0; i < resident_.size(); ++i) {
    devices_.push_back(device_of(compute.on(residency.device(static_cast<int64_t>(i)))));
  }
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

WeightLoader BlockStore::loader(int64_t index) const {
  return {*checkpoint_, compute_.on(residency_.device(index))};
}

std::unique_ptr<Block> BlockStore::load(int64_t index) const {
  const OwnPages pages;
  return std::make_unique<Block>(loader(index), checkpoint_->spec(), index);
}

// On a GPU the copies have a stream of their own, so that they run beside the computations.
std::unique_ptr<Block> BlockStore::load_beside(int64_t index, const std::optional<c10::Stream>& computing) const {
  if (!computing) return load(index);
  const c10::Stream copying = stream_for_copies(device(index));
  const c10::StreamGuard guard(copying);
  auto block = std::make_unique<Block>(loader(index).used_by(*computing), checkpoint_->spec(), index);
  copying.synchronize();
  return block;
}

void BlockStore::read_ahead(int64_t index) const {
  next_index_ = index;
  const at::Device device = this->device(index);
  std::optional<c10::Stream> computing;
  if (!device.is_cpu()) computing = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  next_ = std::async(std::launch::async, [this, index, computing] {
    const c10::InferenceMode guard;
    at::set_num_threads(1);  // of this thread: the others compute
    return load_beside(index, computing);
  });
}

}  // namespace sleb
