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

}  // namespace
}  // namespace sleb
