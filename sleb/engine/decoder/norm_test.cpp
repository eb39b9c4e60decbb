#include "sleb/engine/decoder/norm.h"

#include <gtest/gtest.h>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

constexpr double eps = 1e-5;

TEST(RmsNorm, FusedGivesTheSameUpToRounding) {
  const c10::InferenceMode guard;
  const at::Tensor input = at::randn({2, 5, 64}).mul_(3);
  const at::Tensor weight = at::randn({64});
  const at::Tensor difference = rms_norm(input, weight, eps).sub(fused_rms_norm(input, weight, eps));
  // A few float32 roundings of values of about 1.
  EXPECT_LT(difference.abs().max().item<float>(), 5e-6F);
  EXPECT_LT(rms_norm(input, {}, eps).sub(fused_rms_norm(input, {}, eps)).abs().max().item<float>(), 5e-6F);
}

TEST(RmsNorm, FusedComputesBfloat16InFloat32) {
  const c10::InferenceMode guard;
  const at::Tensor input = at::randn({7, 256}).to(at::kBFloat16);
  const at::Tensor weight = at::randn({256}).to(at::kBFloat16);
  const at::Tensor exact = rms_norm(input.to(at::kDouble), weight.to(at::kDouble), eps).to(at::kFloat);
  // Half a unit in the last place of 8 bits, which is 1 part in 256 at most, and the long form's second rounding.
  const at::Tensor allowed = exact.abs().mul(1.0 / 256).add(1e-6);
  const auto within = [&](const at::Tensor& result, double factor) {
    return result.to(at::kFloat).sub(exact).abs().le(allowed.mul(factor)).all().item<bool>();
  };
  EXPECT_TRUE(within(fused_rms_norm(input, weight, eps), 1));
  EXPECT_TRUE(within(rms_norm(input, weight, eps), 2));
  EXPECT_EQ(fused_rms_norm(input, weight, eps).scalar_type(), at::kBFloat16);
}

// transformers' Olmo2RMSNorm: (weight * hidden in float32).to(type).
TEST(Norm, OfModelsThatNormQueriesWholeRoundsOnce) {
  const c10::InferenceMode guard;
  ModelSpec spec;
  spec.norm_eps = eps;
  spec.qk_norm = QkNorm::whole;
  const at::Tensor input = at::randn({7, 256});
  const at::Tensor weight = at::randn({256});
  EXPECT_TRUE(Norm(spec, weight, {})(input).equal(rms_norm(input, weight, eps)));
  const at::Tensor half = input.to(at::kBFloat16), half_weight = weight.to(at::kBFloat16);
  const at::Tensor once = rms_norm(half.to(at::kFloat), half_weight.to(at::kFloat), eps).to(at::kBFloat16);
  EXPECT_TRUE(Norm(spec, half_weight, {})(half).equal(once));
}

}  // namespace
}  // namespace sleb
