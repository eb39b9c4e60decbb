#include "sleb/engine/decoder/block.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoding_kernels.h"
#include "sleb/engine/decoder/own_pages.h"

namespace sleb {
namespace {

std::optional<HeadNorm> load_head_norm(const WeightLoader& weights, const ModelSpec& spec, int64_t block, Part part) {
  if (spec.qk_norm == QkNorm::none) return {};
  return HeadNorm(weights, spec, block, part);
}

// Before or after a half; nothing where the model has none there.
std::optional<Norm> load_norm(const WeightLoader& weights, const ModelSpec& spec, int64_t block, Part part) {
  using enum NormPlacement;
  if (spec.lacks(block, half_of(part))) return {};
  const bool is_post = part == Part::attention_post_norm || part == Part::mlp_post_norm;
  if (is_post ? spec.norm_placement != inside && spec.norm_placement != both : spec.norm_placement == inside) {
    return {};
  }
  return Norm(weights, spec, spec.part_name(block, part));
}

std::optional<Norm> load_mlp_norm(const WeightLoader& weights, const ModelSpec& spec, int64_t block) {
  const PartNames& names = spec.names.parts;
  const bool is_shared = spec.parallel_residual && names[Part::mlp_norm] == names[Part::attention_norm];
  return is_shared ? std::nullopt : load_norm(weights, spec, block, Part::mlp_norm);
}

// Calls `step` with slices of rows that an MLP takes at once.
template <typename Step>
void for_rows(const at::Tensor& hidden, const Step& step) {
  const int64_t rows = hidden.size(0);
  const int64_t slice = hidden.is_cpu() ? mlp_rows_cpu : rows;
  for (int64_t begin = 0; begin < rows; begin += slice) step(begin, std::min(slice, rows - begin));
}

}  // namespace

Attention::Attention(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : block_(block),
      output_(weights.fused(block, {Part::attention_output})),
      query_norm_(load_head_norm(weights, spec, block, Part::query_norm)),
      key_norm_(load_head_norm(weights, spec, block, Part::key_norm)),
      num_heads_(spec.num_heads),
      num_kv_heads_(spec.num_kv_heads),
      head_dim_(spec.head_dim),
      value_dim_(spec.value_dim()),
      window_(spec.sliding_windows[static_cast<size_t>(block)]),
      rope_(spec.block_ropes[static_cast<size_t>(block)]),
      clip_(spec.qkv_clip) {
  if (spec.attention_sinks) sinks_ = weights.in_compute_type(spec.part_name(block, Part::sinks));
  if (spec.is_latent()) {
    latent_heads_.emplace(weights, spec, block);
  } else {
    query_key_value_.emplace(weights.fused(block, {Part::query, Part::key, Part::value}));
  }
}

at::Tensor Attention::heads_of(const at::Tensor& input) const {
  if (latent_heads_) return (*latent_heads_)(input);
  return (*query_key_value_)(input).view({input.size(0), input.size(1), num_heads_ + 2 * num_kv_heads_, head_dim_});
}

at::Tensor Attention::side_by_side(const at::Tensor& mixed) const {
  const at::Tensor values = value_dim_ == head_dim_ ? mixed : mixed.narrow(-1, 0, value_dim_);
  return values.transpose(1, 2).reshape({mixed.size(0), mixed.size(2), num_heads_ * value_dim_});
}

at::Tensor Attention::operator()(at::Tensor input, const AttentionContext& context) const {
  return output_(mix(std::move(input), context));
}

void Attention::add_to(const at::Tensor& sum, at::Tensor input, const AttentionContext& context, double scale) const {
  output_.add_to(sum, mix(std::move(input), context), scale);
}

at::Tensor Attention::mix(at::Tensor input, const AttentionContext& context) const {
  const int64_t tokens = input.size(1);
  const RopeTable& rope = context.rope(rope_);
  const at::Tensor heads = heads_of(input);
  input.reset();
  if (clip_ != 0 && !query_norm_) heads.clamp_(-clip_, clip_);
  const bool clips_normed = clip_ != 0 && query_norm_;
  if (const auto* kernels = tokens == 1 && !clips_normed ? DecodingKernels::for_rows(heads.flatten(2)) : nullptr) {
    if (const auto kept = context.place_of_token(block_)) return mix_token(heads, context, *kernels, *kept);
  }
  at::Tensor query, key;
  if (query_norm_) {
    query = (*query_norm_)(heads.narrow(2, 0, num_heads_));
    key = (*key_norm_)(heads.narrow(2, num_heads_, num_kv_heads_));
    if (clips_normed) {
      for (const at::Tensor& normed : {query, key, heads}) normed.clamp_(-clip_, clip_);
    }
    query = rope.apply(query);
    key = rope.apply(key);
  } else {
    const at::Tensor turned = rope.apply(heads.narrow(2, 0, num_heads_ + num_kv_heads_));
    query = turned.narrow(2, 0, num_heads_);
    key = turned.narrow(2, num_heads_, num_kv_heads_);
  }
  query = rope.grown(query);
  const at::Tensor value = heads.narrow(2, num_heads_ + num_kv_heads_, num_kv_heads_).transpose(1, 2);
  return side_by_side(context.attend(block_, query.transpose(1, 2), key.transpose(1, 2), value, window_, sinks_));
}

at::Tensor Attention::mix_token(const at::Tensor& heads, const AttentionContext& context,
                                const DecodingKernels& kernels, const KeysAndValues& kept) const {
  DecodingKernels::Heads given{.all = heads, .num_heads = num_heads_, .num_kv_heads = num_kv_heads_};
  if (query_norm_ && query_norm_->is_rms_of_each()) {
    given.query_norm = query_norm_->weight();
    given.key_norm = key_norm_->weight();
    given.norm_eps = query_norm_->eps();
  } else if (query_norm_) {
    const at::Tensor queries = heads.narrow(2, 0, num_heads_), keys = heads.narrow(2, num_heads_, num_kv_heads_);
    queries.copy_((*query_norm_)(queries));
    keys.copy_((*key_norm_)(keys));
  }
  const RopeTable& rope = context.rope(rope_);
  given.cosines = rope.cosines();
  given.sines = rope.sines();
  given.growth = rope.growth();
  const at::Tensor query = kernels.turn_and_keep(given, kept.keys, kept.values);
  return side_by_side(context.attend_kept(block_, query.transpose(1, 2), window_, sinks_));
}

Block::Block(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : norm_placement_(spec.norm_placement),
      parallel_(spec.parallel_residual),
      residual_scale_(spec.residual_scale),
      attention_norm_(load_norm(weights, spec, block, Part::attention_norm)),
      attention_post_norm_(load_norm(weights, spec, block, Part::attention_post_norm)),
      mlp_norm_(load_mlp_norm(weights, spec, block)),
      mlp_post_norm_(load_norm(weights, spec, block, Part::mlp_post_norm)) {
  if (!spec.lacks(block, Half::attention)) attention_.emplace(weights, spec, block);
  if (spec.lacks(block, Half::mlp)) return;
  if (spec.is_mixture(block)) {
    mixture_.emplace(weights, spec, block);
  } else {
    mlp_.emplace(load_mlp(weights, spec, block));
  }
}

at::Tensor Block::apply(Half half, const at::Tensor& hidden, const AttentionContext& context) const {
  at::Tensor result = empty_on_own_pages(hidden.sizes(), hidden.options()).copy_(hidden);
  apply_in_place(half, result, context);
  return result;
}

void Block::apply_in_place(Half half, at::Tensor& hidden, const AttentionContext& context) const {
  if (parallel_) {
    if (half == Half::attention) step_in_parallel(hidden, context);
    return;
  }
  if (!has(half)) return;
  const at::Tensor rows = hidden.view({-1, hidden.size(-1)});
  if (half == Half::attention || mixture_ || rows.size(0) <= mlp_rows_cpu) return step(half, hidden, context);
  for_rows(rows, [&](int64_t begin, int64_t count) { step(half, rows.narrow(0, begin, count), context); });
}

bool Block::has(Half half) const {
  return half == Half::attention ? attention_.has_value() : mlp_ || mixture_;
}

void Block::step(Half half, const at::Tensor& hidden, const AttentionContext& context) const {
  const auto output_of = [&](at::Tensor input) {
    if (half == Half::attention) return (*attention_)(std::move(input), context);
    return mixture_ ? (*mixture_)(input) : (*mlp_)(input);
  };
  const auto add_output_of = [&](at::Tensor input) {
    if (half == Half::attention) {
      attention_->add_to(hidden, std::move(input), context, residual_scale_);
    } else if (mixture_) {
      hidden.add_((*mixture_)(input), residual_scale_);
    } else {
      mlp_->add_to(hidden, input, residual_scale_);
    }
  };
  const auto& norm = half == Half::attention ? attention_norm_ : mlp_norm_;
  const auto& post_norm = half == Half::attention ? attention_post_norm_ : mlp_post_norm_;
  switch (norm_placement_) {
    case NormPlacement::before:
      return add_output_of((*norm)(hidden));
    case NormPlacement::after:
      add_output_of(hidden);
      hidden.copy_((*norm)(hidden));
      return;
    case NormPlacement::first:
      hidden.copy_((*norm)(hidden));
      return add_output_of(hidden);
    case NormPlacement::inside:
      hidden.add_((*post_norm)(output_of(hidden)), residual_scale_);
      return;
    case NormPlacement::both:
      hidden.add_((*post_norm)(output_of((*norm)(hidden))), residual_scale_);
  }
}

OutputProduct Block::products(Half half, const at::Tensor& hidden, const AttentionContext& context) const {
  const auto& norm = half == Half::attention ? attention_norm_ : mlp_norm_;
  const bool is_normed_before = norm_placement_ == NormPlacement::before || norm_placement_ == NormPlacement::both;
  const at::Tensor input = is_normed_before && norm ? (*norm)(hidden) : hidden;
  if (parallel_) {
    const at::Tensor mixed = attention_->mix(input, context);
    const at::Tensor inner = mlp_->inner(mlp_norm_ ? (*mlp_norm_)(hidden) : input);
    return {at::cat({mixed, inner}, -1), attention_->output(mixed).add_(mlp_->output(inner))};
  }
  const at::Tensor given = half == Half::attention ? attention_->mix(input, context) : mlp_->inner(input);
  return {given, half == Half::attention ? attention_->output(given) : mlp_->output(given)};
}

OutputProduct Block::apply_changed(Half half, at::Tensor& hidden, const AttentionContext& context,
                                   const at::Tensor& change) const {
  const auto& norm = half == Half::attention ? attention_norm_ : mlp_norm_;
  const auto& post_norm = half == Half::attention ? attention_post_norm_ : mlp_post_norm_;
  if (norm_placement_ == NormPlacement::first) hidden.copy_((*norm)(hidden));
  OutputProduct product = products(half, hidden, context);
  if (change.defined()) add_product(product.output, product.input, change.t());
  hidden.add_(post_norm ? (*post_norm)(product.output) : product.output, residual_scale_);
  if (norm_placement_ == NormPlacement::after) hidden.copy_((*norm)(hidden));
  return product;
}

at::Tensor Block::mixture_input(const at::Tensor& hidden) const {
  return norm_placement_ == NormPlacement::inside ? hidden : (*mlp_norm_)(hidden);
}

MixtureOutput Block::run_mixture(const at::Tensor& hidden) const {
  assert(norm_placement_ != NormPlacement::first && norm_placement_ != NormPlacement::after);
  return mixture_->run(mixture_input(hidden));
}

at::Tensor Block::expert_inner(size_t expert, const at::Tensor& hidden) const {
  return mixture_->inner(expert, mixture_input(hidden));
}

void Block::add_mixture(const at::Tensor& hidden, const at::Tensor& output) const {
  hidden.add_(mlp_post_norm_ ? (*mlp_post_norm_)(output) : output, residual_scale_);
}

void Block::step_in_parallel(const at::Tensor& hidden, const AttentionContext& context) const {
  const at::Tensor attention_input = (*attention_norm_)(hidden);
  const at::Tensor mlp_input = mlp_norm_ ? (*mlp_norm_)(hidden) : attention_input;
  attention_->add_to(hidden, attention_input, context, residual_scale_);
  const at::Tensor rows = hidden.view({-1, hidden.size(-1)});
  const at::Tensor inputs = mlp_input.view(rows.sizes());
  for_rows(rows, [&](int64_t begin, int64_t count) {
    mlp_->add_to(rows.narrow(0, begin, count), inputs.narrow(0, begin, count), residual_scale_);
  });
}

}  // namespace sleb
