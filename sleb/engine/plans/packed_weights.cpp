#include "sleb/engine/plans/packed_weights.h"

#include <initializer_list>
#include <numeric>
#include <utility>

namespace sleb {

int64_t packed_group(std::span<const TensorShape> matrices, const Int4Groups& groups) {
  int64_t rows = 0, common = 0;
  for (const TensorShape& matrix : matrices) {
    const int64_t stored = matrix.shape.size() == 2 ? groups(matrix.name) : 0;
    if (stored == 0) return 0;
    common = std::gcd(common, stored);
    rows += matrix.shape[0];
  }
  if (rows == 0 || rows % 16 != 0) return 0;
  for (const int64_t group : {256, 128, 64, 32}) {
    if (common % group == 0) return group;
  }
  return 0;
}

uint64_t packed_bytes(int64_t rows, int64_t columns, int64_t group) {
  return static_cast<uint64_t>(rows * columns / 2 + rows * (columns / group) * 4);
}

std::vector<std::vector<TensorShape>> linear_maps(const ModelSpec& spec, int64_t block, Half half) {
  std::vector<std::vector<TensorShape>> maps;
  const auto add = [&](std::vector<TensorShape> matrices) {
    if (!matrices.empty()) maps.push_back(std::move(matrices));
  };
  const auto add_parts = [&](std::initializer_list<Part> parts) { add(spec.stored_weights(block, parts)); };
  if (half == Half::attention) {
    if (spec.is_latent()) {
      for (const Part part : {Part::query, Part::latent, Part::latent_key_value, Part::query_latent}) add_parts({part});
    } else {
      add_parts({Part::query, Part::key, Part::value});
    }
    add_parts({Part::attention_output});
    return maps;
  }
  if (!spec.is_mixture(block)) {
    add_parts({Part::gate, Part::up});
    add_parts({Part::down});
    return maps;
  }
  constexpr Part gate_up[] = {Part::expert_gate, Part::expert_up}, down[] = {Part::expert_down};
  const int64_t tensors = spec.experts.stacked ? 1 : spec.experts.count;  // of each part
  for (int64_t expert = 0; expert < tensors; ++expert) {
    add(spec.expert_weights(block, expert, gate_up));
    add(spec.expert_weights(block, expert, down));
  }
  add_parts({Part::shared_gate, Part::shared_up});
  add_parts({Part::shared_down});
  return maps;
}

std::vector<std::vector<TensorShape>> linear_maps(const ModelSpec& spec, const Plan& plan) {
  const std::string head(spec.tied_head ? spec.names.embedding : spec.names.head);
  std::vector<std::vector<TensorShape>> maps = {{{head + ".weight", {spec.vocabulary_size, spec.embedding_size}}}};
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    for (const Half half : {Half::attention, Half::mlp}) {
      if (plan.bypasses({block, half}) || spec.lacks(block, half)) continue;
      for (auto& matrices : linear_maps(spec, block, half)) maps.push_back(std::move(matrices));
    }
  }
  return maps;
}

}  // namespace sleb
