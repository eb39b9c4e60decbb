#include "sleb/engine/decoder/block_store.h"

#include <ATen/Parallel.h>
#include <c10/core/Event.h>
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

c10::Stream computing_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

// A block on a GPU that gets no further work. Its memory belongs to the stream of the copies, which would write over it
// at once, so it stays until the computations before here are done.
class RetiredBlock {
 public:
  explicit RetiredBlock(std::unique_ptr<Block> block, const c10::Stream& computing)
      : block_(std::move(block)), last_use_(computing.device_type()) {
    last_use_.record(computing);
  }
  ~RetiredBlock() {
    try {
      last_use_.synchronize();
    } catch (const c10::Error&) {
      // The device has failed: whoever uses it next says so.
    }
  }
  RetiredBlock(const RetiredBlock&) = delete;
  RetiredBlock& operator=(const RetiredBlock&) = delete;

 private:
  std::unique_ptr<Block> block_;
  c10::Event last_use_;
};

BlockStore::BlockStore(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency,
                       Progress& progress)
    : checkpoint_(&checkpoint), compute_(compute), residency_(residency), resident_(residency.is_resident.size()) {
  const std::vector<bool>& is_resident = residency.is_resident;
  follower_.resize(resident_.size(), -1);
  for (size_t i = 0; i < resident_.size(); ++i) {
    devices_.push_back(device_of(compute.on(residency.device(static_cast<int64_t>(i)))));
    copying_.push_back(is_resident[i] ? std::nullopt : stream_for_copies(devices_.back()));
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

BlockStore::~BlockStore() {
  try {
    retire_current();
  } catch (const c10::Error&) {
    // The device has failed: whoever uses it next says so.
  }
}

// One for each device that blocks are streamed to; nothing for the CPU.
std::optional<c10::Stream> BlockStore::stream_for_copies(at::Device device) const {
  if (device.is_cpu()) return {};
  for (const auto& stream : copying_) {
    if (stream && stream->device() == device) return stream;
  }
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

const Block& BlockStore::block(int64_t index) const {
  const auto place = static_cast<size_t>(index);
  if (resident_[place]) return *resident_[place];
  if (index == current_index_) return *current_;
  if (current_index_ >= 0) follower_[static_cast<size_t>(current_index_)] = index;
  // Never more than two: the old one goes before the next one is begun, and one that nobody wants before another comes.
  std::unique_ptr<RetiredBlock> old = retire_current();
  const bool is_expected = std::exchange(next_index_, -1) == index;
  std::unique_ptr<Block> block = next_.valid() ? next_.get() : nullptr;
  if (!is_expected) {
    block.reset();
    old.reset();
    block = load_streamed(index);
  }
  current_ = std::move(block);
  current_index_ = index;
  if (follower_[place] != index) read_ahead(follower_[place], std::move(old));
  return *current_;
}

std::unique_ptr<Block> BlockStore::load(int64_t index) const {
  const OwnPages pages;
  return std::make_unique<Block>(WeightLoader(*checkpoint_, compute_.on(residency_.device(index))), checkpoint_->spec(),
                                 index);
}

std::unique_ptr<Block> BlockStore::load_streamed(int64_t index) const {
  const auto& copying = copying_[static_cast<size_t>(index)];
  if (!copying) return load(index);
  const c10::StreamGuard guard(*copying);
  std::unique_ptr<Block> block = load(index);
  copying->synchronize();
  return block;
}

// Ends what can still be given to the block in use. On the CPU its computations are done.
std::unique_ptr<RetiredBlock> BlockStore::retire_current() const {
  std::unique_ptr<Block> block = std::move(current_);
  const int64_t index = std::exchange(current_index_, -1);
  if (!block || device(index).is_cpu()) return nullptr;
  return std::make_unique<RetiredBlock>(std::move(block), computing_stream(device(index)));
}

void BlockStore::read_ahead(int64_t index, std::unique_ptr<RetiredBlock> old) const {
  next_index_ = index;
  next_ = std::async(std::launch::async, [this, index, old = std::move(old)]() mutable {
    const c10::InferenceMode guard;
    if (device(index).is_cpu()) at::set_num_threads(1);  // of this thread: the others compute
    old.reset();
    return load_streamed(index);
  });
}

}  // namespace sleb
