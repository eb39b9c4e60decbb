// A linear map whose weight is laid out once for the processor's matrix kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace sleb {

class Linear {
 public:
  // weight [out, in], bias [out].
  Linear(const at::Tensor& weight, std::optional<at::Tensor> bias);

  // [rows, in] -> [rows, out]
  at::Tensor operator()(const at::Tensor& input) const;

 private:
  at::Tensor weight_;  // as given, or packed by oneDNN
  std::optional<at::Tensor> bias_;
  bool packed_ = false;
};

}  // namespace sleb
