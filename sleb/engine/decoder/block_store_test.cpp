#include "sleb/engine/decoder/block_store.h"

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/small_checkpoint_for_tests.h"
#include "sleb/engine/decoder/stand_in_gpu_for_tests.h"

namespace sleb {
namespace {

constexpr int64_t num_blocks = 6;
const Compute one_gpu{.device = StandInGpu::first, .dtype = "float32", .threads = 1};
const Compute two_gpus{
    .device = StandInGpu::first, .dtype = "float32", .threads = 1, .more_devices = {StandInGpu::second}};

class BlockStoreOnAGpu : public OnAStandInGpu {
 protected:
  const SmallCheckpoint small_{num_blocks};
  const uint64_t block_bytes_ = static_cast<uint64_t>(small_.checkpoint().spec().block_parameters()) * 4;

  BlockStore store(const Compute& compute, const Residency& residency) const {
    return {small_.checkpoint(), compute, residency, silent_progress()};
  }
  // Each block in turn, with work that reads it; the host does not wait for any of it.
  static void pass(const BlockStore& store) {
    for (int64_t block = 0; block < num_blocks; ++block) {
      store.block(block);
      gpu().queue_work();
    }
  }
};

TEST_F(BlockStoreOnAGpu, KeepsToItsLimitWhateverTheAllocatorHolds) {
  for (const uint64_t resident : {0, 3}) {
    gpu().reset();
    const Residency residency = Residency::under_limit((streamed_at_once + resident) * block_bytes_, /*other_bytes=*/0,
                                                       block_bytes_, num_blocks);
    ASSERT_EQ(residency.resident_blocks(), static_cast<int64_t>(resident));
    const BlockStore blocks = store(one_gpu, residency);
    for (int i = 0; i < 3; ++i) pass(blocks);
    EXPECT_LE(gpu().reserved(), residency.bytes);
    EXPECT_GT(gpu().reserved(), residency.bytes - block_bytes_);  // it has been counted
  }
}

TEST_F(BlockStoreOnAGpu, ReadsBesideTheComputationsInOneStream) {
  const BlockStore blocks = store(one_gpu, Residency::under_limit(2 * block_bytes_, 0, block_bytes_, num_blocks));
  for (int i = 0; i < 3; ++i) pass(blocks);
  EXPECT_EQ(gpu().streams_taken(), (std::map<c10::DeviceIndex, int64_t>{{0, 1}}));
  EXPECT_EQ(gpu().streams_in_use().size(), 1U);
  EXPECT_FALSE(gpu().streams_in_use().contains(0));  // that of the computations
}

TEST_F(BlockStoreOnAGpu, FreesNoBlockThatQueuedWorkReads) {
  constexpr int passes = 3;
  {
    const BlockStore blocks = store(one_gpu, Residency::under_limit(2 * block_bytes_, 0, block_bytes_, num_blocks));
    for (int i = 0; i < passes; ++i) pass(blocks);
  }
  // Blocks are loaded in the order of use, and one ahead that is not used.
  constexpr uint64_t loads = passes * num_blocks + 1;
  ASSERT_EQ(gpu().allocations() % loads, 0U);
  const uint64_t tensors = gpu().allocations() / loads;
  ASSERT_EQ(gpu().freed().size(), gpu().allocations());
  for (const auto& [allocation, work_done] : gpu().freed()) {
    const auto last_use = static_cast<int64_t>(allocation / tensors) + 1;
    EXPECT_TRUE(work_done >= last_use || last_use > passes * num_blocks) << "load " << last_use << ", " << work_done;
  }
}

TEST_F(BlockStoreOnAGpu, IsSpreadAsPlanned) {
  Residency residency = Residency::unbounded(0, block_bytes_, num_blocks);
  residency.devices = {0, 0, 0, 0, 1, 1};
  const BlockStore blocks = store(two_gpus, residency);
  for (int64_t block = 0; block < num_blocks; ++block) {
    EXPECT_EQ(blocks.device(block), at::Device(at::kMeta, static_cast<c10::DeviceIndex>(residency.device(block))));
  }
}

TEST_F(BlockStoreOnAGpu, StreamsToEachDeviceInAStreamOfItsOwn) {
  Residency residency = Residency::under_limit(2 * block_bytes_, 0, block_bytes_, num_blocks);
  residency.devices = {0, 1, 0, 1, 0, 1};
  const BlockStore blocks = store(two_gpus, residency);
  for (int i = 0; i < 2; ++i) pass(blocks);
  EXPECT_EQ(gpu().streams_taken(), (std::map<c10::DeviceIndex, int64_t>{{0, 1}, {1, 1}}));
}

}  // namespace
}  // namespace sleb
