#include "sleb/engine/repair/repair_steps.h"

#include <algorithm>
#include <utility>

#include "sleb/engine/plans/operations.h"
#include "sleb/engine/repair/least_squares.h"
#include "sleb/engine/repair/repair.h"

namespace sleb {

RepairSteps::RepairSteps(const ModelSpec& spec, std::vector<int64_t> removal_list, int64_t seqlen)
    : spec_(spec),
      removal_list_(std::move(removal_list)),
      seqlen_(seqlen),
      first_cut_(*std::ranges::min_element(removal_list_)),
      last_kept_(spec.num_blocks - 1) {
  while (last_kept_ > 0 && is_removed(last_kept_)) --last_kept_;
}

bool RepairSteps::is_removed(int64_t block) const {
  return std::ranges::find(removal_list_, block) != removal_list_.end();
}

bool RepairSteps::is_fitted(Unit unit) const {
  return unit.block > first_cut_ && !is_removed(unit.block) && !is_idle(unit);
}

int64_t RepairSteps::columns(Unit unit) const {
  const int64_t mixed = spec_.part_shape(Part::attention_output)[1];
  const int64_t inner = spec_.part_shape(Part::down)[1];
  if (spec_.parallel_residual) return mixed + inner;
  return unit.half == Half::attention ? mixed : inner;
}

double RepairSteps::running(Unit unit) const {
  return unit_operations(spec_, unit, seqlen_);
}

double RepairSteps::summing(int64_t columns) const {
  const auto inputs = static_cast<double>(columns);
  return inputs * inputs + 2 * inputs * static_cast<double>(spec_.hidden_size);
}

double RepairSteps::solving(int64_t columns) const {
  const auto inputs = static_cast<double>(columns);
  const auto outputs = static_cast<double>(spec_.hidden_size);
  const double each = inputs * inputs * inputs / 3 + 4 * inputs * inputs * outputs;  // factor, solution, its error
  return 2 * static_cast<double>(ridges.size()) * each;
}

double RepairSteps::fitting_experts(Unit unit, int64_t tokens) const {
  const ExpertSpec& experts = spec_.experts;
  // Each is run for the sums, and with its change.
  double per_token = 2 * running(unit) + static_cast<double>(experts.chosen) * summing(experts.size);
  double sum = static_cast<double>(experts.count) * solving(experts.size);
  if (experts.shared_size > 0) {
    per_token += summing(experts.shared_size);
    sum += solving(experts.shared_size);
  }
  return sum + per_token * static_cast<double>(tokens);
}

double RepairSteps::all(int64_t tokens) const {
  double per_token = 0;
  double sum = 0;
  for (int64_t block = 0; block <= last_kept_; ++block) {
    for (const Half half : {Half::attention, Half::mlp}) {
      const Unit unit{block, half};
      per_token += running(unit);
      if (!is_fitted(unit)) continue;
      if (is_mixture(unit)) {
        per_token += running(unit);
        sum += fitting_experts(unit, tokens);
      } else {
        per_token += 2 * running(unit) + summing(unit);  // of the pruned model as it was, and with its change
        sum += solving(unit);
      }
    }
  }
  return sum + per_token * static_cast<double>(tokens);
}

double repair_operations(const ModelSpec& spec, const std::vector<int64_t>& removal_list, int64_t seqlen,
                         int64_t tokens) {
  return RepairSteps(spec, removal_list, seqlen).all(tokens);
}

}  // namespace sleb
