// Fits the output matrices of a mixture's experts. Inside this room only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/plans/plan.h"
#include "sleb/engine/repair/output_terms.h"
#include "sleb/engine/repair/repair.h"
#include "sleb/engine/repair/repair_chunks.h"
#include "sleb/engine/sweep/hidden_states.h"

namespace sleb {

// Least squares in all experts at once, r = sum over experts e of D_e (w_e h_e) for a token's residual r, the inputs
// h_e of the experts that it chose and their weights w_e, would take sums of [experts * size]^2. Instead the experts
// are fitted one after the other, as block coordinate descent does (Gauss-Seidel; Bertsekas, Nonlinear Programming,
// section 3.7): D_e minimizes the sum of |r - D_e (w_e h_e)|^2 over the tokens that chose e, with the ridge of every
// fit, and r is what those before it have left. As D_e = 0 is among the choices, no fit raises the error on the text
// that is fitted; a change is kept only where, rounded, it raises that of neither the fitted nor the held out tokens.
// The expert for all tokens, where there is one, comes first: most tokens speak for it.
class MixtureFit {
 public:
  struct Ground {
    const Decoder& decoder;
    const Checkpoint& checkpoint;
    const RepairOptions& options;
    const std::vector<RepairChunk>& chunks;
    int64_t seqlen;
    const HiddenStates& dense;    // wanted: behind the half
    const HiddenStates& pruned;   // before it, until advance()
    const HiddenStates& outputs;  // memory for what the experts make of these
  };
  // Of the half of a block that has experts.
  MixtureFit(const Ground& ground, Unit unit);

  // First of each chunk, in their order: runs the experts as they are.
  void run(const RepairChunk& chunk);
  // Then of each expert, in this order.
  const std::vector<size_t>& order() const { return order_; }
  void fit(size_t expert);
  // At last of each chunk: takes the pruned model's states through the half as it is now.
  void advance(const RepairChunk& chunk);

  RepairedMatrix result() const;
  // Of the experts that were changed; once.
  std::vector<ChangedTensor> take_tensors();

 private:
  // The sums of one expert's fit.
  struct Sums {
    size_t expert;
    Moments fitted;
    Moments held_out;
  };
  // What an expert has to do in one chunk.
  struct Work {
    at::Tensor inner;    // what its matrix is multiplied with, [rows, size] in the compute type
    at::Tensor weights;  // float32 [rows, 1]: by what its output is multiplied
    at::Tensor states;   // before the half, [rows, hidden]
  };

  const Block& block() const { return ground_.decoder.block(unit_.block); }
  bool is_for_all(size_t expert) const;
  int64_t columns(size_t expert) const;
  const ExpertRows& rows(size_t expert, size_t chunk) const { return experts_[chunk][expert]; }
  bool is_idle(size_t expert, size_t chunk) const { return rows(expert, chunk).rows.size(0) == 0; }
  // Rows of a chunk's states, on the block's device.
  at::Tensor select(const HiddenStates& states, size_t chunk, const at::Tensor& rows) const;
  Work work_of(size_t expert, size_t chunk) const;
  // The states behind the half with such outputs of the experts, in float32.
  at::Tensor behind(const at::Tensor& states, const at::Tensor& output) const;
  // [rows, 1], 0 for a segment's first token.
  at::Tensor weights_of_tokens(const at::Tensor& wanted, const at::Tensor& rows) const;

  void add(Sums& sums, size_t chunk) const;
  // Of the tokens that reach the expert, with this change of its matrix, undefined: none. To be compared only.
  double error(const Sums& sums, const at::Tensor& change, bool is_held_out) const;
  double error_in(size_t expert, size_t chunk, const at::Tensor& map) const;
  void apply(size_t expert, const at::Tensor& map) const;

  Ground ground_;
  Unit unit_;
  at::Device device_;
  at::ScalarType type_;
  OutputTerms terms_;
  std::vector<std::vector<ExpertRows>> experts_;  // [chunks][experts]
  std::vector<int64_t> fitted_tokens_;            // [experts]: that reach it and count
  std::vector<std::vector<int64_t>> tokens_;      // [chunks][experts]
  std::vector<size_t> order_;
  RepairedExperts record_;
  std::vector<ChangedTensor> tensors_;
  std::map<int64_t, ChangedTensor> in_stack_;  // by their experts: matrices of one tensor
  RelativeError fitted_, held_out_, fitted_after_, held_out_after_;
};

}  // namespace sleb
