#include "sleb/checkpoint/configuration/expert_settings.h"

#include <fmt/format.h>

#include <algorithm>

namespace sleb {
namespace {

int64_t read_count(const JsonView& config, const Settings& settings, int64_t assumed) {
  const auto other_name = config.find("num_local_experts");  // transformers takes both
  const int64_t otherwise = other_name ? other_name->integer(1, largest_setting) : assumed;
  const int64_t count = settings.size(Setting::num_experts, otherwise);
  if (other_name && count != otherwise) {
    other_name->fail(fmt::format("{} experts here, and {} by another name", otherwise, count));
  }
  return count;
}

void read_expert_sizes(const Settings& settings, int64_t intermediate_size, ExpertSpec& experts) {
  const int64_t assumed_shared = experts.size > 0 ? experts.shared_size / experts.size : 0;
  experts.size = settings.size(Setting::expert_size, experts.size > 0 ? experts.size : intermediate_size);
  if (settings.has(Setting::shared_expert_size)) {
    experts.shared_size = settings.size(Setting::shared_expert_size, experts.shared_size);
  }
  if (settings.has(Setting::num_shared_experts)) {
    experts.shared_size = settings.size(Setting::num_shared_experts, assumed_shared, 1 << 16) * experts.size;
  }
}

// Which blocks have an MLP: [num_blocks].
using DenseBlocks = std::vector<bool>;

void add_listed(const JsonView& list, DenseBlocks& is_dense) {
  for (size_t i = 0; i < list.size(); ++i) {
    const auto block = static_cast<size_t>(list.at(i).integer(0, largest_setting));
    if (block < is_dense.size()) is_dense[block] = true;  // others are no part of the model
  }
}

void add_between(int64_t step, DenseBlocks& is_dense) {
  for (size_t i = 0; i < is_dense.size(); ++i) {
    if ((static_cast<int64_t>(i) + 1) % step != 0) is_dense[i] = true;
  }
}

DenseBlocks of_kinds(const JsonView& list, size_t num_blocks) {
  if (list.size() != num_blocks) list.fail(fmt::format("{} entries for {} blocks", list.size(), num_blocks));
  DenseBlocks is_dense;
  for (size_t i = 0; i < num_blocks; ++i) {
    const std::string& kind = list.at(i).string();
    if (kind != "dense" && kind != "sparse") list.at(i).fail(fmt::format("unknown kind of MLP \"{}\"", kind));
    is_dense.push_back(kind == "dense");
  }
  return is_dense;
}

DenseBlocks find_dense(const Settings& settings, const Family& family, int64_t num_blocks) {
  const auto size = static_cast<size_t>(num_blocks);
  // Before a number of leading blocks, where both are there, as in transformers.
  if (const auto list = settings.find(Setting::mlp_kinds)) return of_kinds(*list, size);
  DenseBlocks is_dense(size, false);
  if (const auto list = settings.find(Setting::dense_blocks)) add_listed(*list, is_dense);
  if (const auto step = settings.find(Setting::mixture_pattern))
    add_between(step->integer(1, largest_setting), is_dense);
  const auto leading = settings.find(Setting::leading_dense_blocks);
  const int64_t first = leading ? leading->integer(0, largest_setting) : family.leading_dense_blocks;
  std::fill_n(is_dense.begin(), std::min(first, num_blocks), true);
  return is_dense;
}

}  // namespace

void read_experts(const JsonView& config, const Settings& settings, const Family& family, ModelSpec& spec) {
  ExpertSpec& experts = spec.experts;
  experts.count = read_count(config, settings, experts.count);
  experts.chosen = settings.size(Setting::experts_per_token, experts.chosen);
  read_expert_sizes(settings, spec.intermediate_size, experts);
  settings.read(Setting::normalizes_experts, experts.normalized);
  settings.read(Setting::experts_scale, experts.scale);
  experts.groups = settings.size(Setting::expert_groups, experts.groups);
  experts.open_groups = settings.size(Setting::open_groups, experts.open_groups);
  if (const auto appended = settings.find(Setting::appended_blocks)) spec.appended_blocks = appended->integer(0, 100);
  const DenseBlocks is_dense = find_dense(settings, family, spec.num_blocks);
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    if (is_dense[static_cast<size_t>(block)]) spec.dense_blocks.push_back(block);
  }
}

}  // namespace sleb
