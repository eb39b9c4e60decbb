#include "sleb/checkpoint/model_spec.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "sleb/base/error.h"

namespace sleb {
namespace {

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

}  // namespace sleb
