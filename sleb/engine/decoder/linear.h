// A linear map whose weight is laid out once for the processor's matrix kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// A weight of 4 bits an element, as libtorch's kernel for the CPU takes it: (code - 8) * scale + zero.
struct Int4Matrix {
  at::Tensor codes;             // uint8 [out, in / 2], in the kernel's order
  at::Tensor scales_and_zeros;  // bfloat16 [in / group, out, 2]
  int64_t group;
};

class Linear {
 public:
  // weight [out, in], bias [out].
  Linear(const at::Tensor& weight, std::optional<at::Tensor> bias);
  // Of inputs in bfloat16.
  Linear(Int4Matrix weight, std::optional<at::Tensor> bias);

  // [rows, in] or [batch, rows, in] -> the same with out
  at::Tensor operator()(const at::Tensor& input) const;
  // `scale` times the same added to `sum`, [..., out], which lies in one piece.
  void add_to(const at::Tensor& sum, const at::Tensor& input, double scale = 1) const;
  // activation(first half of the output) * second half, where one kernel of a GPU does it all: of one row.
  std::optional<at::Tensor> gated_row(const at::Tensor& row, Activation activation) const;

 private:
  at::Tensor on_gpu(const at::Tensor& input) const;
  at::Tensor of_int4(const at::Tensor& input) const;

  at::Tensor weight_;      // as given, or packed by oneDNN
  at::Tensor transposed_;  // a view of a GPU's, [in, out], undefined on the CPU
  std::optional<at::Tensor> bias_;
  bool packed_ = false;
  at::Tensor scales_and_zeros_;  // of an Int4Matrix, whose codes are weight_; else undefined
  int64_t group_ = 0;
};

// sum [..., out] += scale * input [..., in] x matrix [in, out] in one product: it reads and writes the sum once, where
// a product and a sum after it take four passes, and rounds once.
void add_product(const at::Tensor& sum, const at::Tensor& input, const at::Tensor& matrix, double scale = 1);

}  // namespace sleb
