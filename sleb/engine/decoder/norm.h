// The norms that stand before or after a block's halves and before the head.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {

// Over the last dimension, as transformers computes it: RMS norm takes its mean of squares in float32 and multiplies
// with the weight in the input's type, layer norm is torch's.
class Norm {
 public:
  // Reads NAME.weight and NAME.bias as far as the model's norms have them.
  Norm(const WeightLoader& weights, const ModelSpec& spec, const std::string& name);
  // [..., hidden] -> [..., hidden]
  at::Tensor operator()(const at::Tensor& input) const;

 private:
  NormKind kind_;
  double eps_;
  std::optional<at::Tensor> weight_;
  std::optional<at::Tensor> bias_;
};

}  // namespace sleb
