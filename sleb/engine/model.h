// A model ready to run. The one header of the engine, with plan.h and plan_evaluator.h, that other layers include: it
// knows nothing of ATen.
#pragma once

#include <memory>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"

namespace sleb {

class Decoder;
struct Residency;

class Model {
 public:
  // The checkpoint must outlive the model. No result depends on which blocks stay in memory. Throws Error(bad_input)
  // for options that can't be met here, Error(failed) if memory does not suffice.
  Model(const Checkpoint& checkpoint, const ComputeOptions& options, Progress& progress);
  // As decided before, with a place for each block.
  Model(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency, Progress& progress);
  ~Model();
  Model(Model&&) noexcept;

  const ModelSpec& spec() const { return checkpoint_->spec(); }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  // Of its devices, those alone on which it has something.
  const Compute& compute() const { return compute_; }
  const Decoder& decoder() const { return *decoder_; }
  // Blocks that stay in memory; the others are read again whenever their turn comes.
  int64_t resident_blocks() const { return resident_blocks_; }

 private:
  Model(const Checkpoint& checkpoint, const ComputeOptions& options, const Compute& compute, Progress& progress);

  const Checkpoint* checkpoint_;
  Compute compute_;
  int64_t resident_blocks_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace sleb
