#include "sleb/checkpoint/model_spec.h"

#include <cmath>
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

}  // namespace

std::string ModelSpec::part_name(int64_t block, Part part) const {
  return fmt::format("{}{}.{}", names->block_prefix, block, names->parts[static_cast<size_t>(part)]);
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
    case Part::up:
    case Part::down:
      return mlp_bias;
    case Part::attention_norm:
    case Part::mlp_norm:
      break;
  }
  return false;
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

int64_t ModelSpec::block_parameters() const {
  int64_t sum = 0;
  for (const Part part : all_parts) {
    const auto shape = part_shape(part);
    sum += product(shape) + (has_bias(part) ? shape[0] : 0);
  }
  return sum;
}

int64_t ModelSpec::parameters() const {
  const int64_t vocabulary_matrices = tied_head ? 1 : 2;
  return num_blocks * block_parameters() + hidden_size + vocabulary_matrices * vocabulary_size * hidden_size;
}

void check(const ModelSpec& spec, std::string_view label) {
  const auto size = [&](std::string_view what, int64_t value, int64_t most = largest_size) {
    require(value >= 1 && value <= most, label, fmt::format("{} is {}, expected 1 to {}", what, value, most));
  };
  size("the number of blocks", spec.num_blocks, 100000);
  size("the hidden size", spec.hidden_size);
  size("the number of attention heads", spec.num_heads, 1 << 16);
  size("the number of key/value heads", spec.num_kv_heads, 1 << 16);
  size("the head dimension", spec.head_dim, 1 << 16);
  size("the MLP's size", spec.intermediate_size);
  size("the vocabulary size", spec.vocabulary_size);
  size("the number of positions", spec.max_positions, int64_t{1} << 40);
  require(spec.num_heads % spec.num_kv_heads == 0, label,
          fmt::format("{} attention heads can't share {} key/value heads evenly", spec.num_heads, spec.num_kv_heads));
  require(spec.head_dim % 2 == 0, label, fmt::format("head dimension {} is odd, rope needs pairs", spec.head_dim));
  require(spec.norm_eps >= 0 && std::isfinite(spec.norm_eps), label, "the norm's epsilon is negative");
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
  for (const int64_t window : spec.sliding_windows) {
    require(window >= 0, label, fmt::format("a sliding window of {} tokens", window));
  }
}

void check_block_count(const ModelSpec& spec, size_t num_tensors, std::string_view label) {
  require(static_cast<size_t>(spec.num_blocks) <= num_tensors, label,
          fmt::format("{} blocks by the configuration, but only {} tensors", spec.num_blocks, num_tensors));
}

}  // namespace sleb
