// The second half of a block, without its norm: what each token goes through by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {

// Of any rows, [..., hidden].
class Mlp {
 public:
  // `up` of a gated MLP: gate and up side by side.
  Mlp(Linear up, Linear down, const ModelSpec& spec);
  at::Tensor operator()(const at::Tensor& input) const;
  // sum, [..., hidden], += scale * output.
  void add_to(const at::Tensor& sum, const at::Tensor& input, double scale) const;

  // The same in two steps: what goes through the last product, [..., intermediate], and that product.
  at::Tensor inner(const at::Tensor& input) const;
  at::Tensor output(const at::Tensor& inner) const { return down_(inner); }

 private:
  Linear up_;
  Linear down_;
  MlpKind kind_;
  Activation activation_;
  GateClamp clamp_;
};

Mlp load_mlp(const WeightLoader& weights, const ModelSpec& spec, int64_t block);

}  // namespace sleb
