#include "sleb/engine/decoder/linear.h"

#include <gtest/gtest.h>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

TEST(Linear, AddsItsProduct) {
  const c10::InferenceMode guard;
  const at::Tensor weight = at::randn({24, 32}), bias = at::randn({24});
  // Rows of wider ones, as a gated MLP's halves are.
  const at::Tensor input = at::randn({2, 3, 64}).narrow(-1, 0, 32);
  const at::Tensor sum = at::randn({2, 3, 24});
  const auto difference = [&](const at::Tensor& one, const at::Tensor& other) {
    return one.sub(other).abs().max().item<float>();
  };
  const at::Tensor expected = sum.add(at::linear(input, weight));
  // 32 products of about 1 in float32, summed in any order.
  constexpr float rounding = 2e-5F;
  const at::Tensor in_one = sum.clone();
  add_product(in_one, input, weight.t());
  EXPECT_LT(difference(in_one, expected), rounding);
  const at::Tensor of_linear = sum.clone();
  Linear(weight, bias).add_to(of_linear, input);
  EXPECT_LT(difference(of_linear, expected.add(bias)), rounding);
}

// Against float32 with the values that codes, scales and zeros stand for.
TEST(Linear, MultipliesWithPackedWeights) {
  const c10::InferenceMode guard;
  constexpr int64_t out = 48, in = 128, group = 64;
  const at::Tensor codes = at::randn({out, in}).mul_(4).add_(8).clamp_(0, 15).to(at::kInt);
  const at::Tensor scales = at::randn({out, in / group}).to(at::kBFloat16);
  const at::Tensor zeros = at::randn({out, in / group}).to(at::kBFloat16), bias = at::randn({out}).to(at::kBFloat16);
  const auto spread = [&](const at::Tensor& numbers) { return numbers.to(at::kFloat).repeat_interleave(group, 1); };
  const at::Tensor weight = codes.to(at::kFloat).sub(8).mul(spread(scales)).add(spread(zeros));
  const Linear packed({.codes = at::_convert_weight_to_int4pack_for_cpu(codes, 1),
                       .scales_and_zeros = at::stack({scales.t(), zeros.t()}, -1).contiguous(),
                       .group = group},
                      bias);
  for (const int64_t tokens : {1, 7}) {
    const at::Tensor input = at::randn({2, tokens, 2 * in}).to(at::kBFloat16).narrow(-1, 0, in);
    const at::Tensor expected = at::linear(input.to(at::kFloat), weight, bias.to(at::kFloat));
    const at::Tensor product = packed(input);
    EXPECT_EQ(product.sizes(), expected.sizes());
    // Rounded to bfloat16 before the bias and behind it.
    const float largest = expected.abs().max().item<float>();
    EXPECT_LT(product.to(at::kFloat).sub(expected).abs().max().item<float>(), largest / 128);
  }
}

}  // namespace
}  // namespace sleb
