// A mixture of experts in the place of an MLP (ExpertSpec).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "sleb/engine/decoder/mlp.h"

namespace sleb {

// What an expert has to do: the rows that it is applied to, and by what its output for each of them is multiplied.
struct ExpertRows {
  at::Tensor rows;     // int64 [rows], ascending, on the device
  at::Tensor weights;  // float32 [rows, 1]
};

struct MixtureOutput {
  std::vector<ExpertRows> experts;  // of each expert, and behind them of the one for all tokens where there is one
  at::Tensor output;                // as the input
};

class Mixture {
 public:
  Mixture(const WeightLoader& weights, const ModelSpec& spec, int64_t block);
  // Of any rows, [..., hidden]. Each expert is in use once, with all rows that chose it.
  at::Tensor operator()(const at::Tensor& input) const;
  // The same for whoever fits the experts' output matrices.
  MixtureOutput run(const at::Tensor& input) const;
  // Of one of MixtureOutput::experts: what goes through its last product, [rows, size], of rows [rows, hidden].
  at::Tensor inner(size_t expert, const at::Tensor& rows) const;

 private:
  // Pairs of a row and an expert that it chose, by expert and then by row.
  struct Choices {
    at::Tensor rows;             // [pairs], on the device
    at::Tensor weights;          // [pairs, 1], float32
    std::vector<int64_t> begin;  // [experts + 1]: where an expert's pairs begin
  };
  Choices choose(const at::Tensor& rows) const;
  at::Tensor sum(const at::Tensor& rows, const Choices& choices) const;
  // [rows, 1]: by what the output of the expert for all tokens is multiplied.
  at::Tensor shared_weights(const at::Tensor& rows) const;

  at::Tensor logits(const at::Tensor& rows) const;
  at::Tensor scores(const at::Tensor& rows) const;
  // [rows, experts], with those outside the groups that a row chooses from at minus infinity.
  at::Tensor in_open_groups(const at::Tensor& scores) const;

  ExpertSpec spec_;
  at::Tensor router_;                           // [experts, hidden]; in float32 or the compute type (ExpertScores)
  std::optional<at::Tensor> router_bias_;       // [experts]
  std::optional<at::Tensor> score_correction_;  // [experts], float32
  std::vector<Mlp> experts_;
  std::optional<Mlp> shared_;
  std::optional<at::Tensor> shared_router_;  // [1, hidden]
};

}  // namespace sleb
