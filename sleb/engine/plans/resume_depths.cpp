#include "sleb/engine/plans/resume_depths.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "sleb/engine/plans/schedule.h"

namespace sleb {
namespace {

std::vector<Unit> common_units(std::span<const LikelyPlan> plans) {
  std::vector<Unit> common = plans[0].plan.bypassed();
  for (const LikelyPlan& likely : plans.subspan(1)) {
    std::vector<Unit> both;
    std::ranges::set_intersection(common, likely.plan.bypassed(), std::back_inserter(both));
    common = std::move(both);
  }
  return common;
}

}  // namespace

std::vector<ResumeDepth> resume_depths(std::span<const Plan> plans, std::span<const LikelyPlan> likely,
                                       int64_t num_blocks) {
  if (likely.empty()) return {};
  const std::vector<Unit> common = common_units(likely);
  std::map<int64_t, double> chances;
  double sum = 0;
  for (const LikelyPlan& one : likely) {
    std::vector<Unit> own;
    std::ranges::set_difference(one.plan.bypassed(), common, std::back_inserter(own));
    if (own.empty()) continue;
    chances[depth_of(own[0])] += one.chance;
    sum += one.chance;
  }
  ScheduleOptions options;
  for (const auto& [depth, chance] : chances) options.observed.push_back(depth);
  const Schedule schedule = make_schedule(plans, num_blocks, options);
  std::vector<ResumeDepth> depths;
  for (const auto& [parting, chance] : chances) {
    const int64_t depth = parting;  // clang 14 captures no structured binding
    const auto states = std::ranges::count(schedule.observed, depth, &ScheduledState::depth);
    const auto before = [&](const ScheduleStep& step) { return depth_of(step.unit) < depth; };
    depths.push_back({depth, states, std::ranges::count_if(schedule.steps, before), chance / sum});
  }
  return depths;
}

double expected_saving(std::span<const ResumeDepth> depths, std::span<const int64_t> kept) {
  double saving = 0;
  double units = 0;  // before the deepest kept depth so far
  for (const ResumeDepth& place : depths) {
    if (std::ranges::binary_search(kept, place.depth)) units = static_cast<double>(place.units);
    saving += place.chance * units;
  }
  return saving;
}

std::vector<int64_t> choose_depths(std::span<const ResumeDepth> depths, int64_t max_states) {
  std::vector<int64_t> kept;
  double saving = 0;
  while (true) {
    const ResumeDepth* best = nullptr;
    double best_rate = 0;
    for (const ResumeDepth& place : depths) {
      if (place.states > max_states || std::ranges::binary_search(kept, place.depth)) continue;
      std::vector<int64_t> more = kept;
      more.insert(std::ranges::lower_bound(more, place.depth), place.depth);
      const double rate = (expected_saving(depths, more) - saving) / static_cast<double>(place.states);
      if (rate <= best_rate) continue;
      best = &place;
      best_rate = rate;
    }
    if (best == nullptr) return kept;
    kept.insert(std::ranges::lower_bound(kept, best->depth), best->depth);
    saving = expected_saving(depths, kept);
    max_states -= best->states;
  }
}

}  // namespace sleb
