#include "sleb/engine/decoder/block.h"

#include <algorithm>
#include <utility>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/own_pages.h"

namespace sleb {
namespace {

at::Tensor activate(const at::Tensor& input, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu(input);
    case Activation::gelu:
      return at::gelu(input);
    case Activation::gelu_tanh:
      return at::gelu(input, "tanh");
    case Activation::relu:
      break;
  }
  return at::relu(input);
}

// One product computes both parts of a gated MLP.
Linear load_up(const WeightLoader& weights, MlpKind kind, int64_t block) {
  return kind == MlpKind::gated ? weights.fused(block, {Part::gate, Part::up}) : weights.fused(block, {Part::up});
}

}  // namespace

Attention::Attention(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : block_(block),
      query_key_value_(weights.fused(block, {Part::query, Part::key, Part::value})),
      output_(weights.fused(block, {Part::attention_output})),
      num_heads_(spec.num_heads),
      num_kv_heads_(spec.num_kv_heads),
      head_dim_(spec.head_dim),
      window_(spec.sliding_windows[static_cast<size_t>(block)]) {}

void Attention::add_to(const at::Tensor& sum, at::Tensor input, const AttentionContext& context) const {
  output_.add_to(sum, mix(std::move(input), context));
}

at::Tensor Attention::mix(at::Tensor input, const AttentionContext& context) const {
  const int64_t batch = input.size(0);
  const int64_t tokens = input.size(1);
  const at::Tensor heads = query_key_value_(input).view({batch, tokens, num_heads_ + 2 * num_kv_heads_, head_dim_});
  input.reset();
  const at::Tensor turned = context.rope().apply(heads.narrow(2, 0, num_heads_ + num_kv_heads_));
  const at::Tensor query = turned.narrow(2, 0, num_heads_).transpose(1, 2);
  const at::Tensor key = turned.narrow(2, num_heads_, num_kv_heads_).transpose(1, 2);
  const at::Tensor value = heads.narrow(2, num_heads_ + num_kv_heads_, num_kv_heads_).transpose(1, 2);
  const at::Tensor mixed = context.attend(block_, query, key, value, window_);
  return mixed.transpose(1, 2).reshape({batch, tokens, num_heads_ * head_dim_});
}

Mlp::Mlp(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : up_(load_up(weights, spec.mlp, block)),
      down_(weights.fused(block, {Part::down})),
      kind_(spec.mlp),
      activation_(spec.activation) {}

void Mlp::add_to(const at::Tensor& sum, const at::Tensor& input) const {
  const at::Tensor up = up_(input);
  if (kind_ == MlpKind::plain) return down_.add_to(sum, activate(up, activation_));
  const auto halves = up.chunk(2, -1);
  down_.add_to(sum, activate(halves[0], activation_).mul_(halves[1]));
}

Block::Block(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : norm_placement_(spec.norm_placement),
      attention_norm_(weights, spec, spec.part_name(block, Part::attention_norm)),
      attention_(weights, spec, block),
      mlp_norm_(weights, spec, spec.part_name(block, Part::mlp_norm)),
      mlp_(weights, spec, block) {}

at::Tensor Block::apply(Half half, const at::Tensor& hidden, const AttentionContext& context) const {
  at::Tensor result = empty_on_own_pages(hidden.sizes(), hidden.options()).copy_(hidden);
  apply_in_place(half, result, context);
  return result;
}

void Block::apply_in_place(Half half, at::Tensor& hidden, const AttentionContext& context) const {
  const at::Tensor rows = hidden.view({-1, hidden.size(-1)});
  if (half == Half::attention || !hidden.is_cpu() || rows.size(0) <= mlp_rows_cpu) return step(half, hidden, context);
  for (int64_t begin = 0; begin < rows.size(0); begin += mlp_rows_cpu) {
    step(half, rows.narrow(0, begin, std::min(mlp_rows_cpu, rows.size(0) - begin)), context);
  }
}

void Block::step(Half half, const at::Tensor& hidden, const AttentionContext& context) const {
  const auto add_output_of = [&](at::Tensor input) {
    half == Half::attention ? attention_.add_to(hidden, std::move(input), context) : mlp_.add_to(hidden, input);
  };
  const Norm& norm = half == Half::attention ? attention_norm_ : mlp_norm_;
  if (norm_placement_ == NormPlacement::after) {
    add_output_of(hidden);
    hidden.copy_(norm(hidden));
  } else {
    add_output_of(norm(hidden));
  }
}

}  // namespace sleb
