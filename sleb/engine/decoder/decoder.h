// A decoder-only transformer on its device: embedding, blocks, final norm and head.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/decoder/block.h"
#include "sleb/engine/plan.h"

namespace sleb {

class Decoder {
 public:
  // Reads every weight; progress in bytes of the stored tensors.
  Decoder(const Checkpoint& checkpoint, const Compute& compute, Progress& progress);

  const ModelSpec& spec() const { return checkpoint_->spec(); }
  const Compute& compute() const { return compute_; }

  // ids [batch * tokens] -> [batch, tokens, hidden]. The rows are read from the checkpoint itself, so the embedding
  // takes no memory. Every id must be below the vocabulary's size.
  at::Tensor embed(std::span<const int64_t> ids, int64_t tokens) const;
  // hidden + unit(hidden), [batch, tokens, hidden].
  at::Tensor apply(Unit unit, const at::Tensor& hidden, const RopeTable& rope) const;
  // The same into `hidden` itself.
  void apply_in_place(Unit unit, at::Tensor& hidden, const RopeTable& rope) const;
  // [rows, hidden] -> logits [rows, vocabulary] in the compute type.
  at::Tensor logits(const at::Tensor& hidden) const { return head_(final_norm_(hidden)); }

 private:
  at::Tensor output_of(Unit unit, const at::Tensor& hidden, const RopeTable& rope) const;

  const Checkpoint* checkpoint_;
  Compute compute_;
  std::vector<Block> blocks_;
  RmsNorm final_norm_;
  Linear head_;
};

}  // namespace sleb
