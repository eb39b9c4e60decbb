// Which token comes next.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <random>

namespace sleb {

class TokenChoice {
 public:
  // temperature 0: the likeliest token; else drawn from softmax(logits / temperature), in float64.
  TokenChoice(double temperature, uint64_t seed) : temperature_(temperature), random_(seed) {}

  // logits [sequences, vocabulary] -> int64 [sequences], where the logits are.
  at::Tensor operator()(const at::Tensor& logits);

 private:
  double temperature_;
  std::mt19937_64 random_;
};

// The first column of each row of sums, float64 [sequences, vocabulary], rising, that is more than a number drawn
// between 0 and the row's last: int64 [sequences]. On the host, and where the sums are, of which only as many
// numbers as there are sequences are then sent there; the same for the same numbers.
at::Tensor draw_on_host(const at::Tensor& sums, std::mt19937_64& random);
at::Tensor draw_on_device(const at::Tensor& sums, std::mt19937_64& random);

}  // namespace sleb
