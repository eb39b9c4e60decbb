#include "sleb/checkpoint/model_spec.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// Larger than any model known; keeps every product of two sizes well inside 64 bits.
constexpr int64_t largest_size = int64_t{1} << 28;

void require(bool condition, std::string_view label, const std::string& what) {
  if (!condition) bad_input("{}: {}", label, what);
}

int64_t product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::string weight_name(std::string_view name) {
  return fmt::format("{}.weight", name);
}

std::string bias_name(std::string_view name) {
  return fmt::format("{}.bias", name);
}

bool is_vector(Part part) {
  switch (part) {
    case Part::attention_norm:
    case Part::query_norm:
    case Part::key_norm:
    case Part::query_latent_norm:
    case Part::latent_norm:
    case Part::sinks:
    case Part::attention_post_norm:
    case Part::mlp_norm:
    case Part::mlp_post_norm:
    case Part::score_correction:
      return true;
    default:
      return false;
  }
}

// NAME.weight and NAME.bias of [hidden], as far as the model's norms have them.
void append_norm(std::vector<TensorShape>& list, const ModelSpec& spec, std::string_view name) {
  if (spec.norm_weight) list.push_back({weight_name(name), {spec.hidden_size}});
  if (spec.norm_bias) list.push_back({bias_name(name), {spec.hidden_size}});
}

// The tensors outside the blocks, up to them and after them.
std::vector<TensorShape> tensors_before_blocks(const ModelSpec& spec) {
  std::vector<TensorShape> list;
  list.push_back({weight_name(spec.names.embedding), {spec.vocabulary_size, spec.embedding_size}});
  if (spec.position == PositionKind::learned) {
    list.push_back({weight_name(spec.names.positions), {spec.max_positions + spec.position_offset, spec.hidden_size}});
  }
  if (spec.has_projections()) {
    list.push_back({weight_name(spec.names.project_in), {spec.hidden_size, spec.embedding_size}});
  }
  if (spec.embedding_norm) append_norm(list, spec, spec.names.embedding_norm);
  return list;
}

std::vector<TensorShape> tensors_after_blocks(const ModelSpec& spec) {
  std::vector<TensorShape> list;
  if (spec.final_norm) append_norm(list, spec, spec.names.final_norm);
  if (spec.has_projections()) {
    list.push_back({weight_name(spec.names.project_out), {spec.embedding_size, spec.hidden_size}});
  }
  if (!spec.tied_head) {
    list.push_back({weight_name(spec.names.head), {spec.vocabulary_size, spec.embedding_size}});
  }
  if (spec.head_bias) list.push_back({bias_name(spec.names.head), {spec.vocabulary_size}});
  return list;
}

// The parts that share a tensor with this one, itself among them.
std::vector<Part> parts_of_tensor(const ModelSpec& spec, Part part) {
  std::vector<Part> parts;
  for (const Part other : all_parts) {
    if (spec.names.parts[other] == spec.names.parts[part] && spec.has_weight(other)) parts.push_back(other);
  }
  return parts;
}

constexpr std::string_view each_one = "*";

bool is_of_expert(Part part) {
  return part == Part::expert_gate || part == Part::expert_up || part == Part::expert_down;
}

bool is_stacked(const ModelSpec& spec, Part part) {
  return spec.experts.stacked && is_of_expert(part);
}

// Of the tensor that holds a part: [out, in] or that of a vector; [experts, in, out] of stacked experts.
std::vector<int64_t> stored_shape(const ModelSpec& spec, Part part) {
  std::vector<int64_t> shape = spec.part_shape(part);
  if (is_vector(part)) return shape;
  shape[0] = 0;
  for (const Part other : parts_of_tensor(spec, part)) shape[0] += spec.part_shape(other)[0];
  if (is_stacked(spec, part)) return {spec.experts.count, shape[1], shape[0]};
  if (spec.transposed_matrices) std::swap(shape[0], shape[1]);
  return shape;
}

// Whether it belongs to an MLP, or to experts, which no block has both of.
bool is_of_mlp(Part part) {
  return part == Part::gate || part == Part::up || part == Part::down;
}
bool is_of_mixture(Part part) {
  return part >= Part::router;
}

bool is_of_blocks_kind(const ModelSpec& spec, int64_t block, Part part) {
  return spec.is_mixture(block) ? !is_of_mlp(part) : !is_of_mixture(part);
}

// Of one head or expert.
std::string numbered(std::string name, int64_t number) {
  return name.replace(name.find(each_one), each_one.size(), std::to_string(number));
}

// Of a block's part: one, or one for each head or expert.
std::vector<TensorShape> weights_of_part(const ModelSpec& spec, int64_t block, Part part) {
  const std::string name = spec.part_name(block, part);
  const std::vector<int64_t> shape = stored_shape(spec, part);
  if (part == Part::score_correction || part == Part::sinks || is_stacked(spec, part)) return {{name, shape}};
  if (name.find(each_one) == name.npos) return {{weight_name(name), shape}};
  std::vector<TensorShape> list;
  if (is_of_expert(part)) {
    for (int64_t expert = 0; expert < spec.experts.count; ++expert)
      list.push_back({weight_name(numbered(name, expert)), shape});
  } else {
    for (int64_t head = 0; head < shape[0]; ++head) list.push_back({weight_name(numbered(name, head)), {shape[1]}});
  }
  return list;
}

std::vector<TensorShape> biases_of_part(const ModelSpec& spec, int64_t block, Part part) {
  const std::string name = spec.part_name(block, part);
  const std::vector<int64_t> shape = stored_shape(spec, part);
  if (is_stacked(spec, part)) return {{name + "_bias", {shape[0], shape[2]}}};
  if (is_of_expert(part)) {
    std::vector<TensorShape> list;
    for (int64_t expert = 0; expert < spec.experts.count; ++expert) {
      list.push_back({bias_name(numbered(name, expert)), {shape[0]}});
    }
    return list;
  }
  return {{bias_name(name), {!is_vector(part) && spec.transposed_matrices ? shape[1] : shape[0]}}};
}

// Whether one of `parts` before this one has the same name, and so the same tensor.
bool is_listed(const ModelSpec& spec, std::span<const Part> parts, Part part) {
  const auto end = std::ranges::find(parts, part);
  return std::any_of(parts.begin(), end, [&](Part earlier) {
    return spec.names.parts[earlier] == spec.names.parts[part] && spec.has_weight(earlier);
  });
}

void append(std::vector<TensorShape>& list, std::vector<TensorShape> more) {
  std::ranges::move(more, std::back_inserter(list));
}

int64_t elements(const std::vector<TensorShape>& tensors) {
  int64_t sum = 0;
  for (const TensorShape& tensor : tensors) sum += product(tensor.shape);
  return sum;
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

std::string_view name_of(Half half) {
  return half == Half::attention ? "attention" : "mlp";
}

bool ModelSpec::lacks(int64_t block, Half half) const {
  return std::ranges::binary_search(half == Half::attention ? without_attention : without_mlp, block);
}

std::optional<int64_t> ModelSpec::block_with(Part part) const {
  for (int64_t block = 0; block < num_blocks; ++block) {
    if (!lacks(block, half_of(part)) && has_weight(block, part)) return block;
  }
  return {};
}

bool ModelSpec::is_mixture(int64_t block) const {
  return is_mixture() && !std::ranges::binary_search(dense_blocks, block);
}

bool ModelSpec::has_weight(int64_t block, Part part) const {
  return is_of_blocks_kind(*this, block, part) && has_weight(part);
}

std::string ModelSpec::part_name(int64_t block, Part part) const {
  return fmt::format("{}{}.{}", names.block_prefix, block, names.parts[part]);
}

bool ModelSpec::has_weight(Part part) const {
  switch (part) {
    case Part::attention_norm:
    case Part::mlp_norm:
      return norm_weight && norm_placement != NormPlacement::inside;
    case Part::attention_post_norm:
    case Part::mlp_post_norm:
      return norm_weight && (norm_placement == NormPlacement::inside || norm_placement == NormPlacement::both);
    case Part::query_norm:
    case Part::key_norm:
      return qk_norm != QkNorm::none;
    case Part::key:
    case Part::value:
      return !is_latent();
    case Part::latent:
    case Part::latent_norm:
    case Part::latent_key_value:
      return is_latent();
    case Part::query_latent:
    case Part::query_latent_norm:
      return latent.query_size > 0;
    case Part::gate:
      return mlp == MlpKind::gated && has_weight(Part::up);
    case Part::up:
    case Part::down:
      return !is_mixture() || !dense_blocks.empty();
    case Part::sinks:
      return attention_sinks;
    case Part::router:
    case Part::expert_up:
    case Part::expert_down:
      return is_mixture();
    case Part::score_correction:
      return experts.corrected;
    case Part::expert_gate:
      return is_mixture() && mlp == MlpKind::gated;
    case Part::shared_gate:
      return experts.shared_size > 0 && mlp == MlpKind::gated;
    case Part::shared_up:
    case Part::shared_down:
      return experts.shared_size > 0;
    case Part::shared_router:
      return experts.shared_size > 0 && experts.shared_gate;
    default:
      return true;
  }
}

bool ModelSpec::has_bias(Part part) const {
  switch (part) {
    case Part::query:
    case Part::key:
    case Part::value:
      return qkv_bias && !is_latent();
    case Part::query_latent:
    case Part::latent:
      return qkv_bias && has_weight(part);
    case Part::attention_output:
      return attention_output_bias;
    case Part::gate:
    case Part::up:
    case Part::down:
      return mlp_bias && has_weight(part);
    case Part::query_latent_norm:
    case Part::latent_norm:
    case Part::latent_key_value:
    case Part::sinks:
    case Part::score_correction:
    case Part::shared_gate:
    case Part::shared_up:
    case Part::shared_down:
    case Part::shared_router:
      return false;
    case Part::router:
    case Part::expert_gate:
    case Part::expert_up:
    case Part::expert_down:
      return experts.biases && has_weight(part);
    case Part::query_norm:
    case Part::key_norm:
      return qk_norm != QkNorm::none && qk_norm_bias;
    case Part::attention_norm:
    case Part::mlp_norm:
      return norm_bias && norm_placement != NormPlacement::inside;
    case Part::attention_post_norm:
    case Part::mlp_post_norm:
      break;
  }
  return norm_bias && (norm_placement == NormPlacement::inside || norm_placement == NormPlacement::both);
}

std::vector<int64_t> ModelSpec::part_shape(Part part) const {
  const auto qk_norm_shape = [&](int64_t heads) -> std::vector<int64_t> {
    if (qk_norm == QkNorm::whole) return {heads * head_dim};
    if (qk_norm == QkNorm::per_head_own) return {heads, head_dim};
    return {head_dim};
  };
  switch (part) {
    case Part::query:
      return {num_heads * head_dim, latent.query_size > 0 ? latent.query_size : hidden_size};
    case Part::query_latent:
      return {latent.query_size, hidden_size};
    case Part::query_latent_norm:
      return {latent.query_size};
    case Part::latent:
      return {latent.size + latent.turned_dims, hidden_size};
    case Part::latent_norm:
      return {latent.size};
    case Part::latent_key_value:
      return {num_heads * (latent.plain_dims + latent.value_dim), latent.size};
    case Part::key:
    case Part::value:
      return {num_kv_heads * head_dim, hidden_size};
    case Part::query_norm:
      return qk_norm_shape(num_heads);
    case Part::key_norm:
      return qk_norm_shape(num_kv_heads);
    case Part::sinks:
      return {num_heads};
    case Part::attention_output:
      return {hidden_size, num_heads * value_dim()};
    case Part::gate:
    case Part::up:
      return {intermediate_size, hidden_size};
    case Part::down:
      return {hidden_size, intermediate_size};
    case Part::router:
      return {experts.count, hidden_size};
    case Part::score_correction:
      return {experts.count};
    case Part::expert_gate:
    case Part::expert_up:
      return {experts.size, hidden_size};
    case Part::expert_down:
      return {hidden_size, experts.size};
    case Part::shared_gate:
    case Part::shared_up:
      return {experts.shared_size, hidden_size};
    case Part::shared_down:
      return {hidden_size, experts.shared_size};
    case Part::shared_router:
      return {1, hidden_size};
    case Part::attention_norm:
    case Part::attention_post_norm:
    case Part::mlp_norm:
    case Part::mlp_post_norm:
      break;
  }
  return {hidden_size};
}

std::vector<TensorShape> ModelSpec::stored_weights(int64_t block, std::span<const Part> parts) const {
  std::vector<TensorShape> list;
  for (const Part part : parts) {
    if (has_weight(block, part) && !is_listed(*this, parts, part)) append(list, weights_of_part(*this, block, part));
  }
  return list;
}

std::vector<TensorShape> ModelSpec::stored_biases(int64_t block, std::span<const Part> parts) const {
  std::vector<TensorShape> list;
  for (const Part part : parts) {
    if (!has_bias(part) || !is_of_blocks_kind(*this, block, part) || is_listed(*this, parts, part)) continue;
    append(list, biases_of_part(*this, block, part));
  }
  return list;
}

std::vector<TensorShape> ModelSpec::expert_weights(int64_t block, int64_t expert, std::span<const Part> parts) const {
  std::vector<TensorShape> list;
  if (experts.stacked) return stored_weights(block, parts);
  for (const Part part : parts) {
    if (has_weight(part)) list.push_back({weight_name(numbered(part_name(block, part), expert)), part_shape(part)});
  }
  return list;
}

std::vector<TensorShape> ModelSpec::expert_biases(int64_t block, int64_t expert, std::span<const Part> parts) const {
  std::vector<TensorShape> list;
  if (experts.stacked) return stored_biases(block, parts);
  for (const Part part : parts) {
    if (has_bias(part)) list.push_back({bias_name(numbered(part_name(block, part), expert)), {part_shape(part)[0]}});
  }
  return list;
}

std::vector<TensorShape> ModelSpec::half_tensors(int64_t block, Half half) const {
  std::vector<TensorShape> list;
  for (const Part part : all_parts) {
    if (half_of(part) != half || is_listed(*this, all_parts, part)) continue;
    append(list, stored_weights(block, {&part, 1}));
    append(list, stored_biases(block, {&part, 1}));
  }
  return list;
}

std::vector<TensorShape> ModelSpec::tensors() const {
  std::vector<TensorShape> list = tensors_before_blocks(*this);
  for (int64_t block = 0; block < num_blocks; ++block) {
    for (const Half half : {Half::attention, Half::mlp}) {
      if (!lacks(block, half)) append(list, half_tensors(block, half));
    }
  }
  append(list, tensors_after_blocks(*this));
  return list;
}

int64_t ModelSpec::block_parameters() const {
  int64_t mlp_parameters = 0;
  for (const Part part : {Part::down, Part::expert_down}) {
    if (const auto block = block_with(part)) {
      mlp_parameters = std::max(mlp_parameters, half_parameters(*block, Half::mlp));
    }
  }
  return half_parameters(0, Half::attention) + mlp_parameters;
}

int64_t ModelSpec::half_parameters(int64_t block, Half half) const {
  return elements(half_tensors(block, half));
}

int64_t ModelSpec::num_mixtures() const {
  int64_t mixtures = 0;
  for (int64_t block = 0; block < num_blocks; ++block)
    mixtures += is_mixture(block) && !lacks(block, Half::mlp) ? 1 : 0;
  return mixtures;
}

int64_t ModelSpec::blocks_parameters() const {
  const int64_t mixtures = num_mixtures(), dense = num_blocks - std::ssize(without_mlp) - mixtures;
  int64_t sum = (num_blocks - std::ssize(without_attention)) * half_parameters(0, Half::attention);
  if (mixtures > 0) sum += mixtures * half_parameters(*block_with(Part::expert_down), Half::mlp);
  if (dense > 0) sum += dense * half_parameters(*block_with(Part::down), Half::mlp);
  return sum;
}

int64_t ModelSpec::parameters() const {
  return elements(tensors_before_blocks(*this)) + blocks_parameters() + elements(tensors_after_blocks(*this));
}

int64_t ModelSpec::active_parameters() const {
  if (!is_mixture()) return parameters();
  const int64_t inner = mlp == MlpKind::gated ? 2 : 1;
  const int64_t biased = experts.biases ? inner * experts.size + hidden_size : 0;
  const int64_t expert = (inner + 1) * experts.size * hidden_size + biased;
  return parameters() - num_mixtures() * (experts.count - experts.chosen) * expert;
}

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
