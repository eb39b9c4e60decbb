// transformers, modeling_mixtral.py and modeling_qwen2_moe.py.
#include "sleb/engine/decoder/mixture.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

Mlp load_expert(const WeightLoader& weights, const ModelSpec& spec, int64_t block, int64_t expert) {
  return {weights.of_expert(block, expert, {Part::expert_gate, Part::expert_up}),
          weights.of_expert(block, expert, {Part::expert_down}), spec};
}

Mlp load_shared(const WeightLoader& weights, const ModelSpec& spec, int64_t block) {
  Linear up = spec.mlp == MlpKind::gated ? weights.fused(block, {Part::shared_gate, Part::shared_up})
                                         : weights.fused(block, {Part::shared_up});
  return {std::move(up), weights.fused(block, {Part::shared_down}), spec};
}

at::Tensor tensor_of(const std::vector<int64_t>& numbers) {
  const at::Tensor tensor = at::empty({std::ssize(numbers)}, at::kLong);
  std::ranges::copy(numbers, tensor.mutable_data_ptr<int64_t>());
  return tensor;
}

}  // namespace

Mixture::Mixture(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : router_(weights.weight(spec.part_name(block, Part::router))),
      chosen_(spec.experts.chosen),
      normalized_(spec.experts.normalized) {
  experts_.reserve(static_cast<size_t>(spec.experts.count));
  for (int64_t expert = 0; expert < spec.experts.count; ++expert) {
    experts_.push_back(load_expert(weights, spec, block, expert));
  }
  if (spec.experts.shared_size == 0) return;
  shared_.emplace(load_shared(weights, spec, block));
  shared_router_ = weights.weight(spec.part_name(block, Part::shared_router));
}

Mixture::Choices Mixture::choose(const at::Tensor& rows) const {
  const at::Tensor scores = at::_softmax(at::linear(rows, router_).to(at::kFloat), -1, /*half_to_float=*/false);
  auto [weights, chosen] = at::topk(scores, chosen_);
  if (normalized_) weights = weights.div(weights.sum(-1, /*keepdim=*/true));
  const at::Tensor on_host = chosen.cpu();
  const std::span<const int64_t> expert_of(on_host.const_data_ptr<int64_t>(), static_cast<size_t>(on_host.numel()));
  Choices choices;
  choices.begin.resize(experts_.size() + 1);
  for (const int64_t expert : expert_of) ++choices.begin[static_cast<size_t>(expert) + 1];
  std::partial_sum(choices.begin.begin(), choices.begin.end(), choices.begin.begin());
  std::vector<int64_t> pairs(expert_of.size()), next = choices.begin;
  for (size_t pair = 0; pair < expert_of.size(); ++pair) {
    pairs[static_cast<size_t>(next[static_cast<size_t>(expert_of[pair])]++)] = static_cast<int64_t>(pair);
  }
  const at::Tensor order = tensor_of(pairs).to(rows.device());
  choices.weights = at::index_select(weights.flatten(), 0, order).unsqueeze(1);
  choices.rows = order.div(chosen_, "floor");
  return choices;
}

at::Tensor Mixture::operator()(const at::Tensor& input) const {
  const at::Tensor rows = input.reshape({-1, input.size(-1)});
  const Choices choices = choose(rows);
  at::Tensor sum = at::zeros_like(rows);
  for (size_t expert = 0; expert < experts_.size(); ++expert) {
    const int64_t begin = choices.begin[expert], count = choices.begin[expert + 1] - begin;
    if (count == 0) continue;
    const at::Tensor own = choices.rows.narrow(0, begin, count);
    const at::Tensor output = experts_[expert](at::index_select(rows, 0, own));
    sum.index_add_(0, own, output.mul_(choices.weights.narrow(0, begin, count)));
  }
  if (shared_) sum.add_((*shared_)(rows).mul_(at::sigmoid(at::linear(rows, shared_router_))));
  return sum.view(input.sizes());
}

}  // namespace sleb
