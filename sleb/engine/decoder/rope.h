// Rotary position embedding.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"

namespace sleb {

// Cosines and sines of every token's position and every pair. In a model whose positions are not rotary it turns
// nothing.
class RopeTable {
 public:
  // positions: int64 [tokens] or [batch, tokens]. `longest`: the length of the longest sequence so far, on which
  // dynamic scaling depends.
  RopeTable(const ModelSpec& spec, const Compute& compute, const at::Tensor& positions, int64_t longest);

  // The same on another device.
  RopeTable on(at::Device device) const;

  // heads [batch, tokens, heads, head_dim], turned in place: dimension i with i + head_dim / 2, as transformers does
  // (rotate_half).
  void apply(const at::Tensor& heads) const;

 private:
  at::Tensor cos_;  // [(batch,) tokens, 1, head_dim / 2]
  at::Tensor sin_;
};

// [head_dim / 2] angles per position, float32 (transformers, modeling_rope_utils.py). `longest` as above.
at::Tensor rope_frequencies(const ModelSpec& spec, int64_t longest);

}  // namespace sleb
