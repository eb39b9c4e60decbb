// Which halves of blocks a repair runs, which it fits, and what that takes. Inside this room only.
#pragma once

#include <cstdint>
#include <vector>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

class RepairSteps {
 public:
  // At least one block is removed.
  RepairSteps(const ModelSpec& spec, std::vector<int64_t> removal_list, int64_t seqlen);

  int64_t first_cut() const { return first_cut_; }
  // The last block that is run.
  int64_t last_kept() const { return last_kept_; }
  bool is_fitted(Unit unit) const;
  // Whether it has experts.
  bool is_mixture(Unit unit) const { return spec_.is_mixture(unit.block) && unit.half == Half::mlp; }
  // Of a parallel residual the attention's unit does both halves' work.
  bool is_idle(Unit unit) const { return spec_.parallel_residual && unit.half == Half::mlp; }
  // Columns of the matrix that is fitted, of a half without experts.
  int64_t columns(Unit unit) const;

  // Floating-point operations. Of running the half on one token:
  double running(Unit unit) const;
  // Of a half without experts: of adding one token to the sums, and of the solutions with each ridge; as many as take
  // their time, float64 being half as fast.
  double summing(Unit unit) const { return summing(columns(unit)); }
  double solving(Unit unit) const { return solving(columns(unit)); }
  // Of the fits of all of a block's experts, for so many tokens.
  double fitting_experts(Unit unit, int64_t tokens) const;
  // Of everything, for so many tokens.
  double all(int64_t tokens) const;

 private:
  bool is_removed(int64_t block) const;
  double summing(int64_t columns) const;
  double solving(int64_t columns) const;

  const ModelSpec& spec_;
  std::vector<int64_t> removal_list_;
  int64_t seqlen_;
  int64_t first_cut_;
  int64_t last_kept_;
};

}  // namespace sleb
