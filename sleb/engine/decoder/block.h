// One transformer block: attention and MLP (or a mixture of experts), each with its norm and residual connection.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/attention_context.h"
#include "sleb/engine/decoder/latent_heads.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/mixture.h"
#include "sleb/engine/decoder/mlp.h"
#include "sleb/engine/decoder/norm.h"
#include "sleb/engine/decoder/weights.h"
#include "sleb/engine/plans/operations.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

class DecodingKernels;

// Self-attention of [batch, tokens, hidden], without norm.
class Attention {
 public:
  Attention(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  // The same shape. Gives up its input early.
  at::Tensor operator()(at::Tensor input, const AttentionContext& context) const;
  // sum, [batch, tokens, hidden], += scale * attention. Gives up its input early.
  void add_to(const at::Tensor& sum, at::Tensor input, const AttentionContext& context, double scale) const;

  // The same in two steps. The heads' outputs side by side, [batch, tokens, heads * value_dim]; gives up its input
  // early.
  at::Tensor mix(at::Tensor input, const AttentionContext& context) const;
  at::Tensor output(const at::Tensor& mixed) const { return output_(mixed); }

 private:
  // [batch, tokens, heads + 2 * kv_heads, head_dim]: all queries, all keys, all values, before norms and rope.
  at::Tensor heads_of(const at::Tensor& input) const;
  // [batch, heads, tokens, head_dim] -> [batch, tokens, heads * value_dim]
  at::Tensor side_by_side(const at::Tensor& mixed) const;
  // mix() of one token a sequence, from its heads.
  at::Tensor mix_token(const at::Tensor& heads, const AttentionContext& context, const DecodingKernels& kernels,
                       const KeysAndValues& kept) const;

  int64_t block_;
  std::optional<Linear> query_key_value_;
  std::optional<LatentHeads> latent_heads_;  // in its place
  Linear output_;
  std::optional<HeadNorm> query_norm_, key_norm_;
  int64_t num_heads_, num_kv_heads_, head_dim_, value_dim_;
  int64_t window_;
  int64_t rope_;  // ModelSpec::block_ropes
  double clip_;
  at::Tensor sinks_;  // [heads]; undefined where the model has none
};

// A half's output matrix at work: [batch, tokens, in] that it was given, and [batch, tokens, hidden] that came of it,
// bias included, before a norm behind it. Of a block with a parallel residual what both matrices were given,
// attention's first, and the sum that came of it.
struct OutputProduct {
  at::Tensor input;
  at::Tensor output;
};

// Each half is one step of the hidden state, as NormPlacement says. Of a block with a parallel residual the attention's
// step does the work of both halves, and the MLP's nothing. The step of a half that the block lacks does nothing
// either.
class Block {
 public:
  Block(const WeightLoader& weights, const ModelSpec& spec, int64_t block);

  // The next hidden state, [batch, tokens, hidden].
  at::Tensor apply(Half half, const at::Tensor& hidden, const AttentionContext& context) const;
  // The same into `hidden` itself.
  void apply_in_place(Half half, at::Tensor& hidden, const AttentionContext& context) const;
  // The same for whoever fits the output matrix of a half that is there: with `change`, [hidden, in], added to it where
  // that is defined. Not of a mixture.
  OutputProduct apply_changed(Half half, at::Tensor& hidden, const AttentionContext& context,
                              const at::Tensor& change) const;

  // Of a mixture's half, for whoever fits its experts' output matrices. What the experts make of the state before the
  // half, before a norm behind it; the state stays as it is. No family with experts norms the residual itself.
  MixtureOutput run_mixture(const at::Tensor& hidden) const;
  // Mixture::inner of rows [rows, hidden] of that state.
  at::Tensor expert_inner(size_t expert, const at::Tensor& hidden) const;
  // From the state before the half to the one after it, both [..., hidden], with this output of its experts.
  void add_mixture(const at::Tensor& hidden, const at::Tensor& output) const;

 private:
  at::Tensor mixture_input(const at::Tensor& hidden) const;
  OutputProduct products(Half half, const at::Tensor& hidden, const AttentionContext& context) const;
  bool has(Half half) const;
  // In place; of an MLP, hidden may be any rows.
  void step(Half half, const at::Tensor& hidden, const AttentionContext& context) const;
  void step_in_parallel(const at::Tensor& hidden, const AttentionContext& context) const;

  NormPlacement norm_placement_;
  bool parallel_;
  double residual_scale_;
  std::optional<Norm> attention_norm_;
  std::optional<Attention> attention_;  // nothing where the block lacks this half
  std::optional<Norm> attention_post_norm_;
  std::optional<Norm> mlp_norm_;  // nothing too where the attention's serves both halves
  std::optional<Mlp> mlp_;
  std::optional<Mixture> mixture_;  // in the place of the MLP
  std::optional<Norm> mlp_post_norm_;
};

}  // namespace sleb
