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

bool is_norm(Part part) {
  return part == Part::attention_norm || part == Part::mlp_norm;
}

// The tensors outside the blocks, up to them and after them.
std::vector<TensorShape> tensors_before_blocks(const ModelSpec& spec) {
  std::vector<TensorShape> list;
  list.push_back({weight_name(spec.names->embedding), {spec.vocabulary_size, spec.embedding_size}});
  if (spec.position == PositionKind::learned) {
    list.push_back({weight_name(spec.names->positions), {spec.max_positions + spec.position_offset, spec.hidden_size}});
  }
  if (spec.has_projections()) {
    list.push_back({weight_name(spec.names->project_in), {spec.hidden_size, spec.embedding_size}});
  }
  return list;
}

std::vector<TensorShape> tensors_after_blocks(const ModelSpec& spec) {
  std::vector<TensorShape> list;
  if (spec.final_norm && spec.norm_weight) list.push_back({weight_name(spec.names->final_norm), {spec.hidden_size}});
  if (spec.final_norm && spec.norm_bias) list.push_back({bias_name(spec.names->final_norm), {spec.hidden_size}});
  if (spec.has_projections()) {
    list.push_back({weight_name(spec.names->project_out), {spec.embedding_size, spec.hidden_size}});
  }
  if (!spec.tied_head) {
    list.push_back({weight_name(spec.names->head), {spec.vocabulary_size, spec.embedding_size}});
  }
  return list;
}

std::vector<TensorShape> tensors_of_block(const ModelSpec& spec, int64_t block) {
  std::vector<TensorShape> list;
  for (const Part part : all_parts) {
    const auto shape = spec.part_shape(part);
    const std::string name = spec.part_name(block, part);
    if (spec.has_weight(part)) list.push_back({weight_name(name), shape});
    if (spec.has_bias(part)) list.push_back({bias_name(name), {shape[0]}});
  }
  return list;
}

void append(std::vector<TensorShape>& list, std::vector<TensorShape> more) {
  std::ranges::move(more, std::back_inserter(list));
}

int64_t elements(const std::vector<TensorShape>& tensors) {
  int64_t sum = 0;
  for (const TensorShape& tensor : tensors) sum += product(tensor.shape);
  return sum;
}

void check_rope(const ModelSpec& spec, std::string_view label) {
  require(spec.head_dim % 2 == 0, label, fmt::format("head dimension {} is odd, rope needs pairs", spec.head_dim));
  require(spec.rope.theta > 0 && std::isfinite(spec.rope.theta), label, "rope theta is not positive");
  require(spec.rope.factor > 0, label, "the rope scaling factor is not positive");
  if (spec.rope.scaling == RopeSpec::Scaling::llama3) {
    require(spec.rope.high_freq_factor > spec.rope.low_freq_factor && spec.rope.low_freq_factor > 0 &&
                spec.rope.original_max_positions > 0,
            label, "the llama3 rope scaling's frequency factors are out of order");
  }
  for (const float divisor : spec.rope.frequency_divisors) {
    require(divisor > 0 && std::isfinite(divisor), label, "a rope frequency's divisor is not positive");
  }
}

}  // namespace

std::string ModelSpec::part_name(int64_t block, Part part) const {
  return fmt::format("{}{}.{}", names->block_prefix, block, names->parts[static_cast<size_t>(part)]);
}

bool ModelSpec::has_weight(Part part) const {
  if (is_norm(part)) return norm_weight;
  return part != Part::gate || mlp == MlpKind::gated;
}

bool ModelSpec::has_bias(Part part) const {
  switch (part) {
    case Part::query:
    case Part::key:
    case Part::value:
      return qkv_bias;
    case Part::attention_output:
      return attention_output_bias;
    case Part::gate:
      return mlp_bias && mlp == MlpKind::gated;
    case Part::up:
    case Part::down:
      return mlp_bias;
    case Part::attention_norm:
    case Part::mlp_norm:
      break;
  }
  return norm_bias;
}

std::vector<int64_t> ModelSpec::part_shape(Part part) const {
  switch (part) {
    case Part::query:
      return {num_heads * head_dim, hidden_size};
    case Part::key:
    case Part::value:
      return {num_kv_heads * head_dim, hidden_size};
    case Part::attention_output:
      return {hidden_size, num_heads * head_dim};
    case Part::gate:
    case Part::up:
      return {intermediate_size, hidden_size};
    case Part::down:
      return {hidden_size, intermediate_size};
    case Part::attention_norm:
    case Part::mlp_norm:
      break;
  }
  return {hidden_size};
}

std::vector<TensorShape> ModelSpec::tensors() const {
  std::vector<TensorShape> list = tensors_before_blocks(*this);
  for (int64_t block = 0; block < num_blocks; ++block) append(list, tensors_of_block(*this, block));
  append(list, tensors_after_blocks(*this));
  return list;
}

int64_t ModelSpec::block_parameters() const {
  return elements(tensors_of_block(*this, 0));
}

int64_t ModelSpec::parameters() const {
  return elements(tensors_before_blocks(*this)) + num_blocks * block_parameters() +
         elements(tensors_after_blocks(*this));
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
  if (spec.position == PositionKind::rotary) check_rope(spec, label);
  if (spec.position == PositionKind::learned) size("the number of learned positions", spec.max_positions);
  for (const int64_t window : spec.sliding_windows) {
    require(window >= 0, label, fmt::format("a sliding window of {} tokens", window));
  }
}

void check_block_count(const ModelSpec& spec, size_t num_tensors, std::string_view label) {
  require(static_cast<size_t>(spec.num_blocks) <= num_tensors, label,
          fmt::format("{} blocks by the configuration, but only {} tensors", spec.num_blocks, num_tensors));
}

void check_sequence_length(const ModelSpec& spec, int64_t tokens, std::string_view label) {
  if (spec.position != PositionKind::learned || tokens <= spec.max_positions) return;
  bad_input("{}: {} tokens are more than the {} positions that the model has learned; give at most {}", label, tokens,
            spec.max_positions, spec.max_positions);
}

}  // namespace sleb
