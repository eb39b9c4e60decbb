#include "sleb/engine/repair/least_squares.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

// More columns than are multiplied at once.
constexpr int64_t inputs = 700;
constexpr int64_t outputs = 5;

Moments moments_of(const at::Tensor& x, const at::Tensor& y) {
  Moments moments(inputs, outputs, at::kCPU);
  const int64_t half = x.size(0) / 2;
  moments.add(x.narrow(0, 0, half), y.narrow(0, 0, half), half);
  moments.add(x.narrow(0, half, x.size(0) - half), y.narrow(0, half, x.size(0) - half), x.size(0) - half);
  return moments;
}

// Of the map itself on other tokens.
std::optional<Fit> best_on(const Moments& held_out, const Moments& fitted) {
  return best_fit(fitted, held_out.error({}), [&](const Fit& fit) { return held_out.error(fit.map); });
}

TEST(Moments, SolvesTheNormalEquations) {
  const at::Tensor x = at::randn({2000, inputs});
  const at::Tensor y = at::randn({2000, outputs});
  const at::Tensor map = moments_of(x, y).solve(0.1);
  // The gradient at the minimum: (D G + ridge * m * D) - C = 0.
  const at::Tensor gram = at::mm(x.t(), x).to(at::kDouble);
  const double mean = gram.diagonal().mean().item<double>();
  const at::Tensor gradient = at::mm(map, gram).add_(map, 0.1 * mean).sub_(at::mm(y.t(), x));
  EXPECT_LT(gradient.abs().max().item<double>(), 1e-5 * mean);
}

TEST(Moments, KnowsTheErrorOfAMapItNeverSawAppliedTo) {
  const at::Tensor x = at::randn({1500, inputs});
  const at::Tensor y = at::randn({1500, outputs});
  const at::Tensor map = at::randn({outputs, inputs}).mul_(0.05);
  const double direct = y.sub(at::mm(x, map.t())).square().sum().item<double>() / 1500;
  EXPECT_NEAR(moments_of(x, y).error(map.to(at::kDouble)), direct, 1e-5 * direct);
  EXPECT_NEAR(moments_of(x, y).error({}), y.square().sum().item<double>() / 1500, 1e-5);
}

TEST(BestFit, FindsAMapThatHoldsForOtherTokens) {
  const at::Tensor truth = at::randn({outputs, inputs}).mul_(0.1);
  const at::Tensor x = at::randn({3000, inputs});
  const at::Tensor other = at::randn({500, inputs});
  const auto fit = best_on(moments_of(other, at::mm(other, truth.t())), moments_of(x, at::mm(x, truth.t())));
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->ridge, ridges.front());
  EXPECT_LT(fit->map.sub(truth).abs().max().item<double>(), 0.02);
}

TEST(BestFit, ChangesNothingWhereThereIsNothingToLearn) {
  const auto noise = [](int64_t rows) { return moments_of(at::randn({rows, inputs}), at::randn({rows, outputs})); };
  EXPECT_FALSE(best_on(noise(4000), noise(800)));
  const auto silent = [] { return moments_of(at::zeros({10, inputs}), at::randn({10, outputs})); };
  EXPECT_FALSE(best_on(silent(), silent()));
}

}  // namespace
}  // namespace sleb
