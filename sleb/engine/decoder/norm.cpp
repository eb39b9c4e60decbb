#include "sleb/engine/decoder/norm.h"

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

at::Tensor rms_norm(const at::Tensor& input, double eps) {
  const at::Tensor wide = input.to(at::kFloat);
  const at::Tensor scale = wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  return wide.mul(scale).to(input.scalar_type());
}

}  // namespace

Norm::Norm(const WeightLoader& weights, const ModelSpec& spec, const std::string& name)
    : kind_(spec.norm), eps_(spec.norm_eps) {
  if (spec.norm_weight) weight_ = weights.weight(name);
  if (spec.norm_bias) bias_ = weights.bias(name);
}

at::Tensor Norm::operator()(const at::Tensor& input) const {
  if (kind_ == NormKind::layer) return at::layer_norm(input, input.sizes().back(), weight_, bias_, eps_);
  at::Tensor result = rms_norm(input, eps_);
  if (weight_) result.mul_(*weight_);
  if (bias_) result.add_(*bias_);
  return result;
}

}  // namespace sleb
