#include "sleb/export/gguf/same_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <string_view>
#include <utility>

namespace sleb {
namespace {

bool are_near(double a, double b) {
  return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

bool are_near(const std::vector<double>& a, const std::vector<double>& b) {
  return std::ranges::equal(a, b, [](double one, double other) { return are_near(one, other); });
}

double scale_of_scores(const ModelSpec& spec) {
  return spec.attention_scale != 0 ? spec.attention_scale : 1 / std::sqrt(static_cast<double>(spec.head_dim));
}

bool are_same(const RopeSpec& a, const RopeSpec& b) {
  const auto doubles = [](const std::vector<float>& values) {
    return std::vector<double>(values.begin(), values.end());
  };
  if (a.dims != b.dims || !are_near(a.theta, b.theta) || !are_near(a.query_growth, b.query_growth)) return false;
  const auto divisors = divisors_of(a), others = divisors_of(b);
  if (!divisors.empty() || !others.empty()) return are_near(divisors, others);
  if (a.scaling != b.scaling) return false;
  return are_near(a.factor, b.factor) && a.original_max_positions == b.original_max_positions &&
         are_near(a.beta_fast, b.beta_fast) && are_near(a.beta_slow, b.beta_slow) && a.truncate == b.truncate &&
         are_near(a.attention_factor, b.attention_factor) &&
         are_near(doubles(a.short_divisors), doubles(b.short_divisors)) &&
         are_near(doubles(a.long_divisors), doubles(b.long_divisors));
}

// Of the block: -1 of block_ropes means that nothing turns.
bool have_same_ropes(const ModelSpec& a, const ModelSpec& b) {
  for (size_t block = 0; block < static_cast<size_t>(a.num_blocks) && a.position == PositionKind::rotary; ++block) {
    const int64_t one = a.block_ropes[block], other = b.block_ropes[block];
    if ((one < 0) != (other < 0)) return false;
    if (one >= 0 && !are_same(a.ropes[static_cast<size_t>(one)], b.ropes[static_cast<size_t>(other)])) return false;
  }
  return true;
}

bool have_same_sizes(const ModelSpec& a, const ModelSpec& b) {
  return a.hidden_size == b.hidden_size && a.embedding_size == b.embedding_size && a.num_heads == b.num_heads &&
         a.num_kv_heads == b.num_kv_heads && a.head_dim == b.head_dim && a.intermediate_size == b.intermediate_size &&
         a.vocabulary_size == b.vocabulary_size;
}

bool have_same_norms(const ModelSpec& a, const ModelSpec& b) {
  return a.norm == b.norm && a.norm_placement == b.norm_placement && are_near(a.norm_eps, b.norm_eps) &&
         a.norm_weight == b.norm_weight && a.norm_bias == b.norm_bias && a.embedding_norm == b.embedding_norm &&
         a.final_norm == b.final_norm && a.norm_weight_offset == b.norm_weight_offset;
}

bool have_same_clamps(const ModelSpec& a, const ModelSpec& b) {
  return a.activation != Activation::clamped_swish ||
         (are_near(a.clamp.limit, b.clamp.limit) && are_near(a.clamp.slope, b.clamp.slope));
}

bool have_same_experts(const ModelSpec& a, const ModelSpec& b) {
  ExpertSpec one = a.experts, other = b.experts;
  const bool same_scale = are_near(one.scale, other.scale);
  one.scale = other.scale = 1;
  one.stacked = other.stacked = false;  // in a folder alone
  return same_scale && one == other && a.dense_blocks == b.dense_blocks;
}

bool have_same_biases(const ModelSpec& a, const ModelSpec& b) {
  return a.qkv_bias == b.qkv_bias && a.attention_output_bias == b.attention_output_bias && a.mlp_bias == b.mlp_bias &&
         a.head_bias == b.head_bias && a.qk_norm_bias == b.qk_norm_bias;
}

}  // namespace

std::vector<double> divisors_of(const RopeSpec& rope) {
  if (!rope.frequency_divisors.empty()) return {rope.frequency_divisors.begin(), rope.frequency_divisors.end()};
  std::vector<double> divisors;
  const auto context = static_cast<double>(rope.original_max_positions);
  for (int64_t i = 0; i < rope.dims && rope.scaling == RopeSpec::Scaling::llama3; i += 2) {
    const double turn = std::pow(rope.theta, static_cast<double>(i) / static_cast<double>(rope.dims));
    const double turns = context / (2 * std::numbers::pi * turn);
    const double ramp = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
    const double kept = std::clamp(ramp, 0.0, 1.0);
    divisors.push_back(1 / ((1 - kept) / rope.factor + kept));
  }
  return divisors;
}

ModelSpec with_blocks(ModelSpec spec, const std::vector<int64_t>& kept) {
  const auto cut = [&](std::vector<int64_t>& values) {
    if (values.empty()) return;
    std::vector<int64_t> some;
    for (const int64_t block : kept) some.push_back(values[static_cast<size_t>(block)]);
    values = std::move(some);
  };
  cut(spec.block_ropes);
  cut(spec.sliding_windows);
  std::vector<int64_t> dense_blocks;
  for (size_t i = 0; i < kept.size(); ++i) {
    if (spec.is_mixture() && !spec.is_mixture(kept[i])) dense_blocks.push_back(static_cast<int64_t>(i));
  }
  spec.dense_blocks = std::move(dense_blocks);
  spec.num_blocks = std::ssize(kept);
  return spec;
}

std::string difference(const ModelSpec& model, const ModelSpec& read) {
  const ModelSpec &a = model, &b = read;
  if (a.num_blocks != b.num_blocks) return "the number of its blocks";
  const std::pair<std::string_view, bool> same[] = {
      {"the sizes of its tensors", have_same_sizes(a, b)},
      {"its norms", have_same_norms(a, b)},
      {"its norms of queries and keys", a.qk_norm == b.qk_norm},
      {"its halves, one after the other or beside each other", a.parallel_residual == b.parallel_residual},
      {"the form of its MLP", a.mlp == b.mlp && a.activation == b.activation && have_same_clamps(a, b)},
      {"its experts", have_same_experts(a, b)},
      {"its biases", have_same_biases(a, b)},
      {"whether its head is the embedding", a.tied_head == b.tied_head},
      {"the scale of attention's scores", are_near(scale_of_scores(a), scale_of_scores(b))},
      {"the caps of scores and logits", are_near(a.attention_cap, b.attention_cap) &&
                                            are_near(a.logit_cap, b.logit_cap) && are_near(a.qkv_clip, b.qkv_clip)},
      {"its latent attention", a.latent == b.latent && (!a.is_latent() || a.interleaved_rope == b.interleaved_rope)},
      {"its attention sinks", a.attention_sinks == b.attention_sinks},
      {"the scale of its embedding", are_near(a.embedding_scale, b.embedding_scale)},
      {"the scale of what its blocks add", are_near(a.residual_scale, b.residual_scale)},
      {"the scale of its logits", are_near(a.logit_scale, b.logit_scale)},
      {"its positions", a.position == b.position && a.position_offset == b.position_offset &&
                            a.alibi.scaled == b.alibi.scaled && a.alibi.bfloat16 == b.alibi.bfloat16},
      {"in which blocks rope turns what", have_same_ropes(a, b)},
      {"the windows of its blocks", a.sliding_windows == b.sliding_windows}};
  const auto* const other = std::ranges::find(same, false, &std::pair<std::string_view, bool>::second);
  return other == std::end(same) ? "" : std::string(other->first);
}

}  // namespace sleb
