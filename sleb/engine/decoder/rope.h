// Rotary position embedding.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"

namespace sleb {

// Cosines and sines of every position and pair, for sequences of one length. In a model whose positions are not rotary
// it turns nothing.
class RopeTable {
 public:
  RopeTable(const ModelSpec& spec, const Compute& compute, int64_t tokens);

  // heads [batch, tokens, heads, head_dim], turned in place: dimension i with i + head_dim / 2, as transformers does
  // (rotate_half).
  void apply(const at::Tensor& heads) const;

 private:
  at::Tensor cos_;  // [tokens, 1, head_dim / 2]
  at::Tensor sin_;
};

// [head_dim / 2] angles per position, float32 (transformers, modeling_rope_utils.py). `tokens` is the sequence's
// length, on which dynamic scaling depends.
at::Tensor rope_frequencies(const ModelSpec& spec, int64_t tokens);

}  // namespace sleb
