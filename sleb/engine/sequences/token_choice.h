// Which token comes next.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace sleb {

class TokenChoice {
 public:
  // temperature 0: the likeliest token; else drawn from softmax(logits / temperature), in float64. `share`: a number
  // from [0, 1) for the draw of that sequence; asked for each in order, at each step.
  TokenChoice(double temperature, std::function<double(int64_t sequence)> share)
      : temperature_(temperature), share_(std::move(share)) {}

  // logits [sequences, vocabulary] -> int64 [sequences], where the logits are.
  at::Tensor operator()(const at::Tensor& logits) const;

 private:
  double temperature_;
  std::function<double(int64_t sequence)> share_;
};

// The first column of each row of sums, float64 [sequences, vocabulary], rising, that is more than its share,
// [sequences], of the row's last: int64 [sequences]. On the host, and where the sums are, of which only the shares are
// then sent there; the same for the same shares.
at::Tensor draw_on_host(const at::Tensor& sums, const std::vector<double>& shares);
at::Tensor draw_on_device(const at::Tensor& sums, const std::vector<double>& shares);

}  // namespace sleb
