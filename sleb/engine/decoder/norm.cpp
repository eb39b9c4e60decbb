#include "sleb/engine/decoder/norm.h"

#include "sleb/engine/decoder/aten.h"

namespace sleb {
at::Tensor rms_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, double eps) {
  const at::Tensor wide = input.to(at::kFloat);
  const at::Tensor scale = wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  at::Tensor result = wide.mul(scale).to(input.scalar_type());
  if (weight) result.mul_(*weight);
  return result;
}

at::Tensor fused_rms_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, double eps) {
  return std::get<0>(at::_fused_rms_norm(input, input.sizes().back(), weight, eps));
}

Norm::Norm(const WeightLoader& weights, const ModelSpec& spec, const std::string& name)
    : kind_(spec.norm), eps_(spec.norm_eps) {
  if (spec.norm_weight) weight_ = weights.weight(name);
  if (spec.norm_bias) bias_ = weights.bias(name);
}

at::Tensor Norm::operator()(const at::Tensor& input) const {
  if (kind_ == NormKind::layer) return at::layer_norm(input, input.sizes().back(), weight_, bias_, eps_);
  at::Tensor result = input.is_cpu() ? rms_norm(input, weight_, eps_) : fused_rms_norm(input, weight_, eps_);
  if (bias_) result.add_(*bias_);
  return result;
}

}  // namespace sleb
