#include "sleb/engine/model.h"

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/staging_buffer.h"
#include "sleb/engine/memory/weight_memory.h"
#include "sleb/engine/plans/packed_weights.h"

namespace sleb {

namespace {

// Beside other work than a search, whose memory is planned as a whole.
Residency decide_residency(const Checkpoint& checkpoint, const Compute& compute, const ComputeOptions& options) {
  const WeightMemory weights(checkpoint.spec(), compute, stored_forms(checkpoint));
  if (options.weights_memory > 0) return weights.residency(options.weights_memory);
  Residency all = weights.all();
  std::vector<uint64_t> free = free_memory(compute);
  if (compute.device == "cpu") free[0] /= static_cast<uint64_t>(options.local_size);
  if (weights.loading(all).anonymous <= free[0] - free[0] / 8) return all;
  if (free.size() > 1) {
    std::vector<uint64_t> room = free;
    for (uint64_t& own : room) own -= own / 4;
    if (const auto spread = weights.spread(room)) return *spread;
  }
  return weights.residency(free[0] / 2);
}

// Says that products are others than without.
void note_packed(const Checkpoint& checkpoint, Progress& progress) {
  const auto group_of = [&](const std::string& name) { return checkpoint.int4_group(name); };
  int64_t matrices = 0, packed = 0;
  for (const auto& tensors : linear_maps(checkpoint.spec(), Plan())) {
    matrices += std::ssize(tensors);
    if (packed_group(tensors, group_of) > 0) packed += std::ssize(tensors);
  }
  if (packed == 0) {
    bad_input(
        "{}: --packed: no matrix is stored in integers of 4 bits in groups of 32 columns or more (GPTQ without "
        "act-order, AWQ, compressed-tensors, Q4_0 and Q4_1)",
        checkpoint.path().string());
  }
  progress.note(
      fmt::format("{} of {} matrices stay packed in 4 bits; products are computed with scales and zero points rounded "
                  "to bfloat16",
                  packed, matrices));
}

}  // namespace

Model::Model(const Checkpoint& checkpoint, const ComputeOptions& options, Progress& progress)
    : Model(checkpoint, options, decide_compute(options), progress) {}

Model::Model(const Checkpoint& checkpoint, const ComputeOptions& options, const Compute& compute, Progress& progress)
    : Model(checkpoint, compute, decide_residency(checkpoint, compute, options), progress) {}

Model::Model(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency, Progress& progress)
    : checkpoint_(&checkpoint), compute_(compute), resident_blocks_(residency.resident_blocks()) {
  const c10::InferenceMode guard;
  compute_.more_devices.resize(static_cast<size_t>(residency.num_devices() - 1));
  if (compute_.packed_weights) note_packed(checkpoint, progress);
  give_back_freed();
  set_freed_blocks(FreedBlocks::given_back);
  try {
    decoder_ = std::make_unique<Decoder>(checkpoint, compute_, residency, progress);
    if (compute_.device != "cpu" && residency.all_resident()) StagingBuffer::give_back_pinned_memory();
  } catch (const c10::Error& error) {
    device_failed(fmt::format("{}: loading", checkpoint.path().string()), compute_.device, error);
  }
  set_freed_blocks(FreedBlocks::kept);
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;

}  // namespace sleb
