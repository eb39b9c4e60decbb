// transformers, modeling_mixtral.py, modeling_qwen2_moe.py, modeling_deepseek_v3.py and modeling_gpt_oss.py.
#include "sleb/engine/decoder/mixture.h"

#include <algorithm>
#include <limits>
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
    : spec_(spec.experts), router_(weights.weight(spec.part_name(block, Part::router))) {
  const bool is_wide = spec_.scores == ExpertScores::wide_softmax || spec_.scores == ExpertScores::sigmoid;
  if (is_wide) router_ = router_.to(at::kFloat);
  if (spec_.biases) router_bias_ = weights.bias(spec.part_name(block, Part::router)).to(router_.scalar_type());
  if (spec_.corrected) score_correction_ = weights.in_float32(spec.part_name(block, Part::score_correction));
  experts_.reserve(static_cast<size_t>(spec.experts.count));
  for (int64_t expert = 0; expert < spec.experts.count; ++expert) {
    experts_.push_back(load_expert(weights, spec, block, expert));
  }
  if (spec.experts.shared_size == 0) return;
  shared_.emplace(load_shared(weights, spec, block));
  if (spec_.shared_gate) shared_router_ = weights.weight(spec.part_name(block, Part::shared_router));
}

// [rows, experts]
at::Tensor Mixture::logits(const at::Tensor& rows) const {
  return at::linear(rows.to(router_.scalar_type()), router_, router_bias_);
}

// The same, float32; of ExpertScores::softmax_of_chosen logits in the compute type.
at::Tensor Mixture::scores(const at::Tensor& rows) const {
  if (spec_.scores == ExpertScores::softmax_of_chosen) return logits(rows);
  const at::Tensor wide = logits(rows).to(at::kFloat);
  return spec_.scores == ExpertScores::sigmoid ? wide.sigmoid() : at::_softmax(wide, -1, /*half_to_float=*/false);
}

at::Tensor Mixture::in_open_groups(const at::Tensor& scores) const {
  if (spec_.open_groups == spec_.groups) return scores;
  const at::Tensor by_group = scores.view({scores.size(0), spec_.groups, -1});
  const at::Tensor of_group = std::get<0>(at::topk(by_group, spec_.group_terms)).sum(-1);
  const at::Tensor open = std::get<1>(at::topk(of_group, spec_.open_groups));
  const at::Tensor closed =
      at::empty(of_group.sizes(), of_group.options().dtype(at::kBool)).fill_(true).scatter_(1, open, false);
  return by_group.masked_fill(closed.unsqueeze(-1), -std::numeric_limits<double>::infinity()).view(scores.sizes());
}

Mixture::Choices Mixture::choose(const at::Tensor& rows) const {
  const at::Tensor own_scores = scores(rows);
  const at::Tensor ranks = in_open_groups(score_correction_ ? own_scores.add(*score_correction_) : own_scores);
  const at::Tensor chosen = std::get<1>(at::topk(ranks, spec_.chosen));
  at::Tensor weights = own_scores.gather(1, chosen);
  if (spec_.scores == ExpertScores::softmax_of_chosen) {
    weights = at::_softmax(weights, -1, /*half_to_float=*/false).to(at::kFloat);
  }
  // A sum of sigmoids may be next to nothing.
  const double least = spec_.scores == ExpertScores::sigmoid ? 1e-20 : 0;
  if (spec_.normalized) weights = weights.div(weights.sum(-1, /*keepdim=*/true).add_(least));
  if (spec_.scale != 1) weights = weights.mul(spec_.scale);
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
  choices.rows = order.div(spec_.chosen, "floor");
  return choices;
}

at::Tensor Mixture::operator()(const at::Tensor& input) const {
  const at::Tensor rows = input.reshape({-1, input.size(-1)});
  return sum(rows, choose(rows)).view(input.sizes());
}

MixtureOutput Mixture::run(const at::Tensor& input) const {
  const at::Tensor rows = input.reshape({-1, input.size(-1)});
  const Choices choices = choose(rows);
  MixtureOutput result;
  for (size_t expert = 0; expert < experts_.size(); ++expert) {
    const int64_t begin = choices.begin[expert], count = choices.begin[expert + 1] - begin;
    result.experts.push_back({choices.rows.narrow(0, begin, count), choices.weights.narrow(0, begin, count)});
  }
  if (shared_) {
    const at::TensorOptions options = choices.weights.options();
    const at::Tensor weights =
        shared_router_ ? shared_weights(rows).to(at::kFloat) : at::ones({rows.size(0), 1}, options);
    result.experts.push_back({at::arange(rows.size(0), options.dtype(at::kLong)), weights});
  }
  result.output = sum(rows, choices).view(input.sizes());
  return result;
}

at::Tensor Mixture::inner(size_t expert, const at::Tensor& rows) const {
  return expert == experts_.size() ? shared_->inner(rows) : experts_[expert].inner(rows);
}

at::Tensor Mixture::shared_weights(const at::Tensor& rows) const {
  return at::sigmoid(at::linear(rows, *shared_router_));
}

at::Tensor Mixture::sum(const at::Tensor& rows, const Choices& choices) const {
  at::Tensor sum = at::zeros_like(rows);
  for (size_t expert = 0; expert < experts_.size(); ++expert) {
    const int64_t begin = choices.begin[expert], count = choices.begin[expert + 1] - begin;
    if (count == 0) continue;
    const at::Tensor own = choices.rows.narrow(0, begin, count);
    const at::Tensor output = experts_[expert](at::index_select(rows, 0, own));
    sum.index_add_(0, own, output.mul_(choices.weights.narrow(0, begin, count)));
  }
  if (shared_) {
    at::Tensor output = (*shared_)(rows);
    if (shared_router_) output.mul_(shared_weights(rows));
    sum.add_(output);
  }
  return sum;
}

}  // namespace sleb
