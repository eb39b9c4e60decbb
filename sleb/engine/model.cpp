#include "sleb/engine/model.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"

namespace sleb {

namespace {

Residency decide_residency(const ModelSpec& spec, const Compute& compute, const ComputeOptions& options) {
  const uint64_t element = bytes_per_element(compute);
  const auto block = static_cast<uint64_t>(spec.block_parameters()) * element;
  // The embedding is read row by row from the file; a tied head is a copy of its own.
  const int64_t embedding = spec.tied_head ? 0 : spec.vocabulary_size * spec.embedding_size;
  const auto others =
      static_cast<uint64_t>(spec.parameters() - embedding) * element - block * static_cast<uint64_t>(spec.num_blocks);
  if (options.weights_memory > 0) return Residency::under_limit(options.weights_memory, others, block, spec.num_blocks);
  Residency all = Residency::unbounded(others, block, spec.num_blocks);
  const uint64_t free = available_memory() / static_cast<uint64_t>(options.local_size);
  if (compute.device != "cpu" || all.bytes <= free - free / 8) return all;
  return Residency::under_limit(free / 2, others, block, spec.num_blocks);
}

}  // namespace

Model::Model(const Checkpoint& checkpoint, const ComputeOptions& options, Progress& progress)
    : checkpoint_(&checkpoint), compute_(decide_compute(options)) {
  const c10::InferenceMode guard;
  const Residency residency = decide_residency(checkpoint.spec(), compute_, options);
  resident_blocks_ = std::ranges::count(residency.is_resident, true);
  give_back_freed();
  set_freed_blocks(FreedBlocks::given_back);
  try {
    decoder_ = std::make_unique<Decoder>(checkpoint, compute_, residency, progress);
  } catch (const c10::Error& error) {
    failed("{}: can't load onto {}: {}", checkpoint.path().string(), compute_.device, error.what_without_backtrace());
  }
  set_freed_blocks(FreedBlocks::kept);
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;

}  // namespace sleb
