// Linear least squares with a ridge, from sums over tokens. Inside this room only.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <optional>

namespace sleb {

// Ridges that are tried, as shares of the inputs' mean square.
inline constexpr std::array ridges = {0.01, 0.03, 0.1, 0.3, 1.0};

// What is to be known of tokens' inputs x, [in] each, and of what their outputs lack, y, [out] each, to say how well a
// map D, [out, in], makes y of x: sums of x x^T, y x^T and |y|^2. Products in float32, sums in float64, on the device.
class Moments {
 public:
  Moments(int64_t inputs, int64_t outputs, at::Device device);

  // float32 [rows, in] and [rows, out]. `tokens` of the rows count, the others are zero.
  void add(const at::Tensor& inputs, const at::Tensor& lacking, int64_t tokens);

  // The mean over tokens of |y - D x|^2, of |y|^2 where D is undefined.
  double error(const at::Tensor& map) const;
  // D, float64 [out, in], that minimizes the sum over tokens of |y - D x|^2 + ridge * m * |D|^2, where m is the mean of
  // the diagonal of the sum of x x^T. Undefined where the sums are not finite or have no such minimum.
  at::Tensor solve(double ridge) const;

 private:
  at::Tensor gram_;    // [in, in]
  at::Tensor cross_;   // [out, in]
  at::Tensor energy_;  // []
  int64_t tokens_ = 0;
};

struct Fit {
  double ridge;
  at::Tensor map;  // float64 [out, in]
};
// Of the fits with each of the ridges the one with the least error; nothing if none has less than `least`.
std::optional<Fit> best_fit(const Moments& moments, double least, const std::function<double(const Fit&)>& error);

}  // namespace sleb
