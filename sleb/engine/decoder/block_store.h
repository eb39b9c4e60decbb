// Where a decoder's blocks are: in memory, on one device or several, or read from the checkpoint whenever their turn
// comes.
#pragma once

#include <c10/core/Stream.h>

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/decoder/block.h"
#include "sleb/engine/plans/residency.h"

namespace sleb {

class RetiredBlock;

// Used by one thread at a time; reads ahead in another.
class BlockStore {
 public:
  // Loads what is resident. The checkpoint must outlive the store.
  BlockStore(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency, Progress& progress);
  ~BlockStore();
  BlockStore(const BlockStore&) = delete;
  BlockStore& operator=(const BlockStore&) = delete;

  // Stays valid until another block is asked for. Throws what loading throws.
  const Block& block(int64_t index) const;
  // Where a block's hidden states have to be.
  at::Device device(int64_t index) const { return devices_[static_cast<size_t>(index)]; }

 private:
  std::optional<c10::Stream> stream_for_copies(at::Device device) const;
  std::unique_ptr<Block> load(int64_t index) const;
  // On a GPU, beside its computations.
  std::unique_ptr<Block> load_streamed(int64_t index) const;
  std::unique_ptr<RetiredBlock> retire_current() const;
  void read_ahead(int64_t index, std::unique_ptr<RetiredBlock> old) const;

  const Checkpoint* checkpoint_;
  Compute compute_;
  Residency residency_;
  std::vector<at::Device> devices_;  // [blocks]
  // [blocks]: for the copies of those that are streamed to a GPU, one a device. libtorch keeps freed memory by the
  // stream that it was allocated in, so that only the same stream finds it again.
  std::vector<std::optional<c10::Stream>> copying_;
  std::vector<std::unique_ptr<Block>> resident_;  // [blocks]; nothing: streamed

  // Of the streamed blocks: the one in use, the one on its way, and which followed which when they were last in use.
  mutable int64_t current_index_ = -1;
  mutable std::unique_ptr<Block> current_;
  mutable int64_t next_index_ = -1;
  mutable std::future<std::unique_ptr<Block>> next_;
  mutable std::vector<int64_t> follower_;  // [blocks]
};

}  // namespace sleb
