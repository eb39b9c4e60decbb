// Queries, keys and values of latent attention (LatentSpec).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/norm.h"
#include "sleb/engine/decoder/weights.h"

namespace sleb {

class LatentHeads {
 public:
  LatentHeads(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  // [batch, tokens, hidden] -> [batch, tokens, 3 * heads, head_dim]: what plain attention's one product gives, all
  // queries, all keys and all values. The dimensions that turn come first; values have zeros behind their own.
  at::Tensor operator()(const at::Tensor& input) const;

 private:
  at::Tensor queries(const at::Tensor& input) const;

  LatentSpec spec_;
  int64_t num_heads_;
  std::optional<Linear> query_latent_;
  std::optional<Norm> query_latent_norm_;
  Linear query_;
  Linear latent_;
  Norm latent_norm_;
  Linear key_value_;
};

}  // namespace sleb
