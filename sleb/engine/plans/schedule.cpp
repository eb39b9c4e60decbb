#include "sleb/engine/plans/schedule.h"

#include <algorithm>
#include <map>

namespace sleb {
namespace {

// Plans that have shared everything so far.
struct Group {
  int64_t state;
  std::vector<size_t> plans;
};

class ScheduleMaker {
 public:
  ScheduleMaker(std::span<const Plan> plans, int64_t num_blocks, const ScheduleOptions& options)
      : plans_(plans), num_blocks_(num_blocks), options_(options) {
    for (size_t i = 0; i < plans.size(); ++i) {
      const int64_t start = options.starts.empty() ? 0 : options.starts[i];
      waiting_[{start, plans[i].before(start)}].push_back(i);
    }
  }

  Schedule make() {
    schedule_.final_states.resize(plans_.size());
    for (int64_t block = 0; block < num_blocks_; ++block) {
      for (const Half half : {Half::attention, Half::mlp}) {
        arrive_at(depth_of({block, half}));
        apply({block, half});
      }
    }
    arrive_at(2 * num_blocks_);
    for (const Group& group : groups_) {
      for (const size_t plan : group.plans) schedule_.final_states[plan] = group.state;
    }
    return std::move(schedule_);
  }

 private:
  void arrive_at(int64_t depth) {
    for (auto next = waiting_.begin(); next != waiting_.end() && next->first.first == depth;) {
      schedule_.starts.push_back({schedule_.num_states, depth, next->second[0], schedule_.steps.size()});
      groups_.push_back({schedule_.num_states++, std::move(next->second)});
      next = waiting_.erase(next);
    }
    if (!std::ranges::binary_search(options_.observed, depth)) return;
    for (const Group& group : groups_) {
      schedule_.observed.push_back({group.state, depth, group.plans[0], schedule_.steps.size()});
    }
  }

  void apply(Unit unit) {
    const size_t before = groups_.size();
    for (size_t g = 0; g < before; ++g) {
      const auto runs = [&](size_t plan) { return !plans_[plan].bypasses(unit); };
      const auto skipping = std::stable_partition(groups_[g].plans.begin(), groups_[g].plans.end(), runs);
      std::vector<size_t> skippers(skipping, groups_[g].plans.end());
      groups_[g].plans.erase(skipping, groups_[g].plans.end());
      if (groups_[g].plans.empty()) {
        groups_[g].plans = std::move(skippers);  // all bypass it: the state stays as it is
        continue;
      }
      const int64_t source = groups_[g].state;
      if (!skippers.empty()) {
        // The bypassing plans keep the old state; the others go on in a new one.
        groups_[g].state = schedule_.num_states++;
        groups_.push_back({source, std::move(skippers)});
      }
      schedule_.steps.push_back({unit, source, groups_[g].state});
    }
  }

  std::span<const Plan> plans_;
  int64_t num_blocks_;
  const ScheduleOptions& options_;
  std::map<std::pair<int64_t, Plan>, std::vector<size_t>> waiting_;  // by where they start
  std::vector<Group> groups_;
  Schedule schedule_;
};

}  // namespace

Schedule make_schedule(std::span<const Plan> plans, int64_t num_blocks, const ScheduleOptions& options) {
  return ScheduleMaker(plans, num_blocks, options).make();
}

}  // namespace sleb
