// One transformer block: attention and MLP, each with its norm and residual connection.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/attention_context.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/norm.h"
#include "sleb/engine/decoder/weights.h"
#include "sleb/engine/plans/operations.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

// Self-attention of [batch, tokens, hidden], without norm.
class Attention {
 public:
  Attention(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  // sum, [batch, tokens, hidden], += attention. Gives up its input early.
  void add_to(const at::Tensor& sum, at::Tensor input, const AttentionContext& context) const;

 private:
  // The heads' outputs side by side. Gives up its input early.
  at::Tensor mix(at::Tensor input, const AttentionContext& context) const;

  int64_t block_;
  Linear query_key_value_;
  Linear output_;
  int64_t num_heads_, num_kv_heads_, head_dim_;
  int64_t window_;
};

// Likewise; of any rows.
class Mlp {
 public:
  Mlp(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  void add_to(const at::Tensor& sum, const at::Tensor& input) const;

 private:
  Linear up_;  // of a gated MLP, gate and up side by side
  Linear down_;
  MlpKind kind_;
  Activation activation_;
};

// Each half is one step of the hidden state: hidden + f(norm(hidden)), or norm(hidden + f(hidden)).
class Block {
 public:
  Block(const WeightLoader& weights, const ModelSpec& spec, int64_t block);

  // The next hidden state, [batch, tokens, hidden].
  at::Tensor apply(Half half, const at::Tensor& hidden, const AttentionContext& context) const;
  // The same into `hidden` itself.
  void apply_in_place(Half half, at::Tensor& hidden, const AttentionContext& context) const;

 private:
  // In place; of an MLP, hidden may be any rows.
  void step(Half half, const at::Tensor& hidden, const AttentionContext& context) const;

  NormPlacement norm_placement_;
  Norm attention_norm_;
  Attention attention_;
  Norm mlp_norm_;
  Mlp mlp_;
};

}  // namespace sleb
