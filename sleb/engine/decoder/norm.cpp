#include "sleb/engine/decoder/norm.h"

#include <utility>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoding_kernels.h"

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

at::Tensor wide_rms_norm(const at::Tensor& input, const at::Tensor& weight, double eps) {
  const at::Tensor wide = input.to(at::kFloat);
  const at::Tensor scale = wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  return wide.mul(scale).mul_(weight).to(input.scalar_type());
}

Norm::Norm(const WeightLoader& weights, const ModelSpec& spec, const std::string& name)
    : Norm(spec, spec.norm_weight ? std::optional(weights.weight(name)) : std::nullopt,
           spec.norm_bias ? std::optional(weights.bias(name)) : std::nullopt) {}

Norm::Norm(const ModelSpec& spec, std::optional<at::Tensor> weight, std::optional<at::Tensor> bias)
    : kind_(spec.norm),
      eps_(spec.norm_eps),
      weight_(std::move(weight)),
      bias_(std::move(bias)),
      rounds_once_(spec.qk_norm == QkNorm::whole && weight_.has_value()) {
  if (!weight_ || spec.norm_weight_offset == 0) return;
  wide_ = kind_ == NormKind::rms;
  weight_ = (wide_ ? weight_->to(at::kFloat) : *weight_).add(spec.norm_weight_offset);
}

at::Tensor Norm::operator()(const at::Tensor& input) const {
  if (kind_ == NormKind::layer) return at::layer_norm(input, input.sizes().back(), weight_, bias_, eps_);
  if (const auto* kernels = bias_ ? nullptr : DecodingKernels::for_rows(input)) {
    return kernels->norm(input, weight_, eps_);
  }
  if (wide_ || (rounds_once_ && input.is_cpu())) return wide_rms_norm(input, *weight_, eps_);
  at::Tensor result = input.is_cpu() ? rms_norm(input, weight_, eps_) : fused_rms_norm(input, weight_, eps_);
  if (bias_) result.add_(*bias_);
  return result;
}

HeadNorm::HeadNorm(const WeightLoader& weights, const ModelSpec& spec, int64_t block, Part part)
    : whole_(spec.qk_norm == QkNorm::whole),
      norm_(spec,
            spec.qk_norm == QkNorm::per_head_own ? std::nullopt : std::optional(weights.head_norm_weight(block, part)),
            weights.head_norm_bias(block, part)) {
  if (spec.qk_norm == QkNorm::per_head_own) own_weight_ = weights.head_norm_weight(block, part);
}

at::Tensor HeadNorm::operator()(const at::Tensor& heads) const {
  if (whole_) return norm_(heads.flatten(2)).view(heads.sizes());
  if (!own_weight_) return norm_(heads);
  // With the weight in float32 and rounded once (CohereLayerNorm, StableLM's nn.LayerNorm of each head).
  return norm_(heads.to(at::kFloat)).mul_(*own_weight_).to(heads.scalar_type());
}

}  // namespace sleb
