#include "sleb/engine/repair/least_squares.h"

#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace sleb {
namespace {

constexpr int64_t panel = 512;  // columns of x x^T, of which those above the diagonal are not computed again

}  // namespace

Moments::Moments(int64_t inputs, int64_t outputs, at::Device device) {
  const at::TensorOptions options = at::TensorOptions().dtype(at::kDouble).device(device);
  gram_ = at::zeros({inputs, inputs}, options);
  cross_ = at::zeros({outputs, inputs}, options);
  energy_ = at::zeros({}, options);
}

void Moments::add(const at::Tensor& inputs, const at::Tensor& lacking, int64_t tokens) {
  const int64_t size = gram_.size(0);
  for (int64_t begin = 0; begin < size; begin += panel) {
    const int64_t width = std::min(panel, size - begin);
    const at::Tensor products = at::mm(inputs.narrow(1, begin, size - begin).t(), inputs.narrow(1, begin, width));
    gram_.narrow(0, begin, size - begin).narrow(1, begin, width).add_(products);
    const int64_t below = size - begin - width;
    gram_.narrow(0, begin, width).narrow(1, begin + width, below).add_(products.narrow(0, width, below).t());
  }
  cross_.add_(at::mm(lacking.t(), inputs));
  energy_.add_(lacking.square().sum(at::kDouble));
  tokens_ += tokens;
}

double Moments::error(const at::Tensor& map) const {
  at::Tensor sum = energy_;
  if (map.defined()) sum = at::mm(map, gram_).sub_(cross_, 2).mul_(map).sum().add_(energy_);
  return sum.item<double>() / static_cast<double>(std::max<int64_t>(tokens_, 1));
}

at::Tensor Moments::solve(double ridge) const {
  const double mean = gram_.diagonal().mean().item<double>();
  if (!std::isfinite(mean) || mean <= 0) return {};
  at::Tensor regular = gram_.clone();
  regular.diagonal().add_(ridge * mean);
  const auto [factor, info] = at::linalg_cholesky_ex(regular);
  regular.reset();
  if (info.item<int64_t>() != 0) return {};
  return at::cholesky_solve(cross_.t(), factor).t().contiguous();
}

std::optional<Fit> best_fit(const Moments& moments, double least, const std::function<double(const Fit&)>& error) {
  std::optional<Fit> best;
  for (const double ridge : ridges) {
    Fit fit{ridge, moments.solve(ridge)};
    if (!fit.map.defined()) continue;
    const double own = error(fit);
    if (!(own < least)) continue;
    least = own;
    best = std::move(fit);
  }
  return best;
}

}  // namespace sleb
