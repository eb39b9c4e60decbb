// One transformer block: attention and MLP, each behind its norm.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/rope.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {

// x / rms(x) * weight over the last dimension (Zhang and Sennrich, arXiv 1910.07467); the mean of squares in float32,
// the product with the weight in the input's type, as transformers computes it.
class RmsNorm {
 public:
  RmsNorm(at::Tensor weight, double eps) : weight_(std::move(weight)), eps_(eps) {}
  at::Tensor operator()(const at::Tensor& input) const;

 private:
  at::Tensor weight_;
  double eps_;
};

// [batch, tokens, hidden] -> [batch, tokens, hidden], before the residual sum.
class Attention {
 public:
  Attention(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  at::Tensor operator()(const at::Tensor& hidden, const RopeTable& rope) const;

 private:
  RmsNorm norm_;
  Linear query_key_value_;
  Linear output_;
  int64_t num_heads_, num_kv_heads_, head_dim_;
  int64_t window_;
};

class Mlp {
 public:
  Mlp(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  at::Tensor operator()(const at::Tensor& hidden) const;

 private:
  RmsNorm norm_;
  Linear gate_up_;
  Linear down_;
  Activation activation_;
  int64_t intermediate_size_;
};

struct Block {
  Block(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
      : attention(weights, spec, block), mlp(weights, spec, block) {}

  Attention attention;
  Mlp mlp;
};

}  // namespace sleb
