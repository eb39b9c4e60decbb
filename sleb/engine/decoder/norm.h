// The norms that stand before or after a block's halves and before the head.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {

// x / rms(x) over the last dimension, computed in float32 and multiplied with the weight in the input's type after
// rounding to it, as transformers does: eight operators.
at::Tensor rms_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, double eps);
// The same in one kernel on a GPU, all of it in float32 and rounded once: in 16-bit types a value may differ from
// rms_norm's by one rounding of the value before the weight.
at::Tensor fused_rms_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, double eps);
// The same with the weight multiplied in float32 before the only rounding, as transformers' Gemma and OLMo 2 do.
at::Tensor wide_rms_norm(const at::Tensor& input, const at::Tensor& weight, double eps);

// Over the last dimension: rms_norm on the CPU, fused_rms_norm on a GPU or DecodingKernels' of a few rows there, or
// torch's layer norm.
class Norm {
 public:
  // Reads NAME.weight and NAME.bias as far as the model's norms have them.
  Norm(const WeightLoader& weights, const ModelSpec& spec, const std::string& name);
  // The model's kind of norm with these.
  Norm(const ModelSpec& spec, std::optional<at::Tensor> weight, std::optional<at::Tensor> bias);
  // [..., hidden] -> [..., hidden]
  at::Tensor operator()(const at::Tensor& input) const;

  bool is_rms() const { return kind_ == NormKind::rms && !bias_; }
  const std::optional<at::Tensor>& weight() const {
    return weight_;
  }  // with its offset; float32 or of the compute type
  double eps() const { return eps_; }

 private:
  NormKind kind_;
  double eps_;
  std::optional<at::Tensor> weight_;
  std::optional<at::Tensor> bias_;
  bool wide_ = false;  // the weight is in float32
  // As Olmo2RMSNorm and Olmo3RMSNorm, of the models whose queries and keys are normed whole; a GPU's kernel does so
  // anyway.
  bool rounds_once_;
};

// Of the heads of queries or keys, by the model's QkNorm.
class HeadNorm {
 public:
  HeadNorm(const WeightLoader& weights, const ModelSpec& spec, int64_t block, Part part);
  // [batch, tokens, heads, head_dim], new.
  at::Tensor operator()(const at::Tensor& heads) const;

  // Whether each head has the same RMS norm, with a weight [head_dim].
  bool is_rms_of_each() const { return !whole_ && !own_weight_ && norm_.is_rms() && norm_.weight(); }
  const std::optional<at::Tensor>& weight() const { return norm_.weight(); }
  double eps() const { return norm_.eps(); }

 private:
  bool whole_;  // all heads of a token together
  Norm norm_;
  std::optional<at::Tensor> own_weight_;  // [heads, head_dim]
};

}  // namespace sleb
