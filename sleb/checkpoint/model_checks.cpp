#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {
namespace {

// Larger than any model known; keeps every product of two sizes well inside 64 bits.
constexpr int64_t largest_size = int64_t{1} << 28;

void require(bool condition, std::string_view label, const std::string& what) {
  if (!condition) bad_input("{}: {}", label, what);
}

void check_divisors(const std::vector<float>& divisors, std::string_view label) {
  for (const float divisor : divisors) {
    require(divisor > 0 && std::isfinite(divisor), label, "a rope frequency's divisor is not positive");
  }
}

void check_rope(const ModelSpec& spec, const RopeSpec& rope, std::string_view label) {
  require(rope.dims % 2 == 0, label, fmt::format("head dimension {} is odd, rope needs pairs", rope.dims));
  require(rope.dims >= 2 && rope.dims <= spec.head_dim, label,
          fmt::format("rope turns {} of a head's {} dimensions", rope.dims, spec.head_dim));
  require(rope.theta > 0 && std::isfinite(rope.theta), label, "rope theta is not positive");
  require(rope.factor > 0, label, "the rope scaling factor is not positive");
  if (rope.scaling == RopeSpec::Scaling::llama3) {
    require(rope.high_freq_factor > rope.low_freq_factor && rope.low_freq_factor > 0 && rope.original_max_positions > 0,
            label, "the llama3 rope scaling's frequency factors are out of order");
  }
  if (rope.scaling == RopeSpec::Scaling::yarn) {
    require(rope.original_max_positions > 0 && rope.beta_fast > 0 && rope.beta_slow > 0 && rope.theta != 1, label,
            "the yarn rope scaling's positions and betas are not positive");
  }
  if (rope.scaling == RopeSpec::Scaling::longrope) {
    require(rope.original_max_positions > 0, label, "the longrope scaling's original positions are not positive");
  }
  require(rope.attention_factor > 0 && std::isfinite(rope.attention_factor), label,
          "the rope scaling's attention factor is not positive");
  check_divisors(rope.frequency_divisors, label);
  check_divisors(rope.short_divisors, label);
  check_divisors(rope.long_divisors, label);
}

void check_number(double value, std::string_view what, std::string_view label) {
  require(std::isfinite(value), label, fmt::format("{} is {}", what, value));
}

void check_groups(const ExpertSpec& experts, std::string_view label) {
  const auto& [groups, open] = std::pair(experts.groups, experts.open_groups);
  require(groups >= 1 && experts.count % groups == 0, label,
          fmt::format("{} experts don't divide into {} groups", experts.count, groups));
  require(open >= 1 && open <= groups, label, fmt::format("experts are chosen from {} of {} groups", open, groups));
  if (groups == 1) return;
  const int64_t size = experts.count / groups;
  require(size >= experts.group_terms, label,
          fmt::format("groups of {} expert, where the {} best of each are compared", size, experts.group_terms));
  require(open * size >= experts.chosen, label,
          fmt::format("each token chooses {} experts from {} groups of {}", experts.chosen, open, size));
}

}  // namespace

void check(const ModelSpec& spec, std::string_view label) {
  const auto size = [&](std::string_view what, int64_t value, int64_t most = largest_size) {
    require(value >= 1 && value <= most, label, fmt::format("{} is {}, expected 1 to {}", what, value, most));
  };
  size("the number of blocks", spec.num_blocks, 100000);
  size("the hidden size", spec.hidden_size);
  size("the embedding's size", spec.embedding_size);
  size("the number of attention heads", spec.num_heads, 1 << 16);
  size("the number of key/value heads", spec.num_kv_heads, 1 << 16);
  size("the head dimension", spec.head_dim, 1 << 16);
  size("the MLP's size", spec.intermediate_size);
  size("the vocabulary size", spec.vocabulary_size);
  size("the number of positions", spec.max_positions, int64_t{1} << 40);
  require(spec.num_heads % spec.num_kv_heads == 0, label,
          fmt::format("{} attention heads can't share {} key/value heads evenly", spec.num_heads, spec.num_kv_heads));
  require(spec.norm_eps >= 0 && std::isfinite(spec.norm_eps), label, "the norm's epsilon is negative");
  for (const RopeSpec& rope : spec.ropes) check_rope(spec, rope, label);
  if (spec.is_latent()) {
    size("the size of what keys and values come from", spec.latent.size);
    size("the number of a key's dimensions that turn", spec.latent.turned_dims, 1 << 16);
    require(spec.latent.query_size >= 0 && spec.latent.query_size <= largest_size, label,
            fmt::format("the size of what queries come from is {}", spec.latent.query_size));
    require(spec.latent.plain_dims >= 0 && spec.latent.plain_dims + spec.latent.turned_dims == spec.head_dim, label,
            fmt::format("{} dimensions of a query stay and {} turn, of {}", spec.latent.plain_dims,
                        spec.latent.turned_dims, spec.head_dim));
    require(
        spec.latent.value_dim >= 1 && spec.latent.value_dim <= spec.head_dim, label,
        fmt::format("values of {} dimensions beside keys of {}: not known here", spec.latent.value_dim, spec.head_dim));
    require(spec.num_kv_heads == spec.num_heads, label,
            fmt::format("{} key/value heads, of {} heads that have their keys from one vector", spec.num_kv_heads,
                        spec.num_heads));
  }
  if (spec.is_mixture()) {
    size("the number of experts", spec.experts.count, 1 << 16);
    size("an expert's size", spec.experts.size);
    require(spec.experts.chosen >= 1 && spec.experts.chosen <= spec.experts.count, label,
            fmt::format("each token chooses {} of {} experts", spec.experts.chosen, spec.experts.count));
    require(spec.experts.shared_size >= 0 && spec.experts.shared_size <= largest_size, label,
            fmt::format("the shared expert's size is {}", spec.experts.shared_size));
    check_groups(spec.experts, label);
    check_number(spec.experts.scale, "the scale of experts' weights", label);
    require(std::isfinite(spec.clamp.slope) && spec.clamp.limit > 0, label,
            fmt::format("the experts' gate is clamped to {}, with a slope of {}", spec.clamp.limit, spec.clamp.slope));
  }
  check_number(spec.attention_scale, "the scale of attention", label);
  check_number(spec.embedding_scale, "the scale of the embedding", label);
  check_number(spec.residual_scale, "the scale of residuals", label);
  check_number(spec.logit_scale, "the scale of logits", label);
  require(spec.attention_cap >= 0 && spec.logit_cap >= 0 && spec.qkv_clip >= 0, label,
          "a cap of scores, of logits or of queries is negative");
  if (spec.position == PositionKind::learned) size("the number of learned positions", spec.max_positions);
  for (const int64_t window : spec.sliding_windows) {
    require(window >= 0, label, fmt::format("a sliding window of {} tokens", window));
  }
}

void check_block_count(const ModelSpec& spec, size_t num_tensors, std::string_view label) {
  const bool each_has_its_own = spec.names.parts[Part::query_norm].find(each_one) != std::string_view::npos;
  const int64_t heads = each_has_its_own && spec.qk_norm != QkNorm::none ? spec.num_heads : 1;
  const bool are_apart = spec.is_mixture() && !spec.experts.stacked;
  const int64_t of_experts = are_apart ? spec.num_mixtures() * spec.experts.count : 0;
  const std::string experts =
      of_experts > 0 ? fmt::format(", {} of them with {} experts,", spec.num_mixtures(), spec.experts.count) : "";
  require(std::cmp_less_equal(std::max(spec.num_blocks * heads, of_experts), num_tensors), label,
          fmt::format("{} blocks{} by the configuration, but only {} tensors", spec.num_blocks, experts, num_tensors));
}

void check_sequence_length(const ModelSpec& spec, int64_t tokens, std::string_view label) {
  if (spec.position != PositionKind::learned || tokens <= spec.max_positions) return;
  bad_input("{}: {} tokens are more than the {} positions that the model has learned; give at most {}", label, tokens,
            spec.max_positions, spec.max_positions);
}

}  // namespace sleb
