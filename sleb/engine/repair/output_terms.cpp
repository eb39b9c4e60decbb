#include "sleb/engine/repair/output_terms.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace sleb {
namespace {

at::Tensor norms_of(const at::Tensor& rows) {
  return at::linalg_vector_norm(rows, 2, {-1}, /*keepdim=*/true);
}

// 0 where the divisor is.
at::Tensor quotient(const at::Tensor& dividend, const at::Tensor& divisor) {
  return dividend.div(divisor).masked_fill_(divisor.eq(0), 0);
}

}  // namespace

at::Tensor state_weights(const at::Tensor& states) {
  const at::Tensor norms = norms_of(states);
  return norms.reciprocal().masked_fill_(norms.eq(0), 0);
}

at::Tensor token_weights(const at::Tensor& states) {
  at::Tensor weights = state_weights(states);
  weights.narrow(1, 0, 1).zero_();
  return weights;
}

OutputTerms::OutputTerms(const Checkpoint& checkpoint, Unit unit, at::Device device)
    : scale_(checkpoint.spec().residual_scale), eps_(checkpoint.spec().norm_eps) {
  const ModelSpec& spec = checkpoint.spec();
  if (spec.norm_placement != NormPlacement::inside && spec.norm_placement != NormPlacement::both) return;
  const Part part = unit.half == Half::attention ? Part::attention_post_norm : Part::mlp_post_norm;
  const at::Tensor weight = at::empty({spec.hidden_size}, at::kFloat);
  if (spec.norm_weight) {
    checkpoint.read(spec.part_name(unit.block, part) + ".weight",
                    {weight.mutable_data_ptr<float>(), static_cast<size_t>(spec.hidden_size)});
  } else {
    weight.fill_(1);
  }
  gains_ = weight.add_(spec.norm_weight_offset).mul_(scale_).to(device);
}

Sample OutputTerms::sample(const OutputProduct& product, const at::Tensor& states, const at::Tensor& wanted,
                           const at::Tensor& weights) const {
  const at::Tensor inputs = product.input.to(at::kFloat);
  if (is_linear()) {
    return {inputs.mul(weights).mul_(scale_).flatten(0, -2), wanted.sub(states).mul_(weights).flatten(0, -2)};
  }
  const at::Tensor outputs = product.output.to(at::kFloat);
  const at::Tensor inverse = outputs.square().mean(at::IntArrayRef{-1}, /*keepdim=*/true).add_(eps_).rsqrt_();
  const at::Tensor written = outputs.mul(inverse).mul_(gains_);
  const at::Tensor to_write = wanted.sub(states).add_(written);
  const at::Tensor length = norms_of(written);
  const at::Tensor length_wanted = norms_of(to_write);
  const at::Tensor share = weights.mul(quotient(length_wanted, length).sqrt_());
  const at::Tensor lacking = to_write.mul_(quotient(length, length_wanted)).sub_(written).mul_(share);
  return {inputs.mul(inverse).mul_(share).flatten(0, -2), lacking.flatten(0, -2)};
}

at::Tensor OutputTerms::change(const Fit& fit) const {
  if (is_linear()) return fit.map;
  const at::Tensor gains = gains_.to(at::kDouble);
  const at::Tensor squares = gains.square();
  const at::Tensor shares = gains.div(squares.add(squares.mean(), fit.ridge));
  return fit.map.mul(shares.unsqueeze(1));
}

}  // namespace sleb
