#include "sleb/engine/decoder/mlp.h"

#include <utility>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoding_kernels.h"

namespace sleb {
namespace {

at::Tensor activate(const at::Tensor& input, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu(input);
    case Activation::gelu:
      return at::gelu(input);
    case Activation::gelu_tanh:
      return at::gelu(input, "tanh");
    case Activation::quick_gelu:
      return at::sigmoid(input.mul(1.702)).mul_(input);
    case Activation::relu_squared:
      return at::relu(input).square_();
    case Activation::relu:
    case Activation::clamped_swish:  // of gate and up together
      break;
  }
  return at::relu(input);
}

// transformers, modeling_gpt_oss.py: _apply_gate.
at::Tensor clamped_swish(at::Tensor gate, at::Tensor up, const GateClamp& clamp) {
  gate = gate.clamp_max(clamp.limit);
  up = up.clamp(-clamp.limit, clamp.limit).add_(1);
  return at::sigmoid(gate.mul(clamp.slope)).mul_(gate).mul_(up);
}

}  // namespace

Mlp::Mlp(Linear up, Linear down, const ModelSpec& spec)
    : up_(std::move(up)), down_(std::move(down)), kind_(spec.mlp), activation_(spec.activation), clamp_(spec.clamp) {}

at::Tensor Mlp::inner(const at::Tensor& input) const {
  if (kind_ == MlpKind::plain) return activate(up_(input), activation_);
  if (const auto of_row = up_.gated_row(input, activation_)) return *of_row;
  const at::Tensor up = up_(input);
  const auto* kernels = DecodingKernels::for_rows(up);
  if (kernels != nullptr && DecodingKernels::has_gate(activation_, up.size(-1) / 2, up)) {
    return kernels->gate(up, activation_);
  }
  const auto halves = up.chunk(2, -1);
  if (activation_ == Activation::clamped_swish) return clamped_swish(halves[0], halves[1], clamp_);
  return activate(halves[0], activation_).mul_(halves[1]);
}

at::Tensor Mlp::operator()(const at::Tensor& input) const {
  return down_(inner(input));
}

void Mlp::add_to(const at::Tensor& sum, const at::Tensor& input, double scale) const {
  down_.add_to(sum, inner(input), scale);
}

Mlp load_mlp(const WeightLoader& weights, const ModelSpec& spec, int64_t block) {
  // One product computes both parts of a gated MLP.
  Linear up =
      spec.mlp == MlpKind::gated ? weights.fused(block, {Part::gate, Part::up}) : weights.fused(block, {Part::up});
  return {std::move(up), weights.fused(block, {Part::down}), spec};
}

}  // namespace sleb
