#include "sleb/engine/model.h"

#include <new>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"

namespace sleb {

Model::Model(const Checkpoint& checkpoint, const ComputeOptions& options, Progress& progress)
    : checkpoint_(&checkpoint), compute_(decide_compute(options)) {
  const c10::InferenceMode guard;
  give_back_freed();
  set_freed_blocks(FreedBlocks::given_back);
  try {
    decoder_ = std::make_unique<Decoder>(checkpoint, compute_, progress);
  } catch (const c10::Error& error) {
    failed("{}: can't load onto {}: {}", checkpoint.path().string(), compute_.device, error.what_without_backtrace());
  }
  set_freed_blocks(FreedBlocks::kept);
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;

}  // namespace sleb
