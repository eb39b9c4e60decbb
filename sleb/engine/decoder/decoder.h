// A decoder-only transformer on its devices: embedding, blocks, final norm and head.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <span>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/decoder/block_store.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

class Decoder {
 public:
  // Reads every weight that is to stay in memory; progress in blocks.
  Decoder(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency, Progress& progress);

  const ModelSpec& spec() const { return checkpoint_->spec(); }
  const Compute& compute() const { return compute_; }

  // ids [batch * tokens] -> [batch, tokens, hidden], learned positions included. On the CPU the rows are read from the
  // checkpoint itself, so the embedding takes no memory; on a GPU it is there. Every id must be below the vocabulary's
  // size, and every position less than check_sequence_length allows.
  at::Tensor embed(std::span<const int64_t> ids, const AttentionContext& context) const;
  // The same of int64 [batch * tokens] on the first device.
  at::Tensor embed(const at::Tensor& ids, const AttentionContext& context) const;
  // The hidden state after a unit, [batch, tokens, hidden].
  at::Tensor apply(Unit unit, const at::Tensor& hidden, const AttentionContext& context) const;
  // The same into `hidden` itself, which comes to the block's device.
  void apply_in_place(Unit unit, at::Tensor& hidden, const AttentionContext& context) const;
  // As Block::apply_changed.
  OutputProduct apply_changed(Unit unit, at::Tensor& hidden, const AttentionContext& context,
                              const at::Tensor& change) const;
  // For what Block offers to whoever fits experts. Stays valid until another block is in use.
  const Block& block(int64_t index) const { return blocks_.block(index); }
  at::Device device(int64_t block) const { return blocks_.device(block); }
  // [rows, hidden], wherever they are -> logits [rows, vocabulary] in the compute type, on the first device.
  at::Tensor logits(const at::Tensor& hidden) const;

 private:
  // Rows of the embedding [rows, embedding_size], in the compute type.
  at::Tensor read_rows(std::span<const int64_t> ids) const;
  // From rows of the embedding, which are overwritten, to hidden states.
  at::Tensor placed(const at::Tensor& rows, const AttentionContext& context) const;

  const Checkpoint* checkpoint_;
  Compute compute_;
  double embedding_scale_;
  at::Tensor embedding_;  // [vocabulary, embedding_size], a tied head's own; undefined on the CPU
  at::Tensor positions_;  // [max_positions, hidden]; undefined unless learned
  std::optional<Linear> project_in_;
  Linear head_;  // the largest, so loaded first: what it takes meanwhile stands beside nothing else
  BlockStore blocks_;
  std::optional<Norm> embedding_norm_;
  std::optional<Norm> final_norm_;
  std::optional<Linear> project_out_;
};

}  // namespace sleb
