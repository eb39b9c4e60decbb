#include "sleb/engine/schedule.h"

#include <algorithm>

namespace sleb {
namespace {

// Plans that have shared everything so far.
struct Group {
  int64_t state;
  std::vector<size_t> plans;
};

}  // namespace

Schedule make_schedule(std::span<const Plan> plans, int64_t num_blocks) {
  Schedule schedule;
  schedule.final_states.resize(plans.size());
  schedule.num_states = 1;
  std::vector<Group> groups(1);
  for (size_t i = 0; i < plans.size(); ++i) groups[0].plans.push_back(i);

  for (int64_t block = 0; block < num_blocks; ++block) {
    for (const Half half : {Half::attention, Half::mlp}) {
      const Unit unit{block, half};
      const size_t before = groups.size();
      for (size_t g = 0; g < before; ++g) {
        const auto runs = [&](size_t plan) { return !plans[plan].bypasses(unit); };
        const auto skipping = std::stable_partition(groups[g].plans.begin(), groups[g].plans.end(), runs);
        std::vector<size_t> skippers(skipping, groups[g].plans.end());
        groups[g].plans.erase(skipping, groups[g].plans.end());
        if (groups[g].plans.empty()) {
          groups[g].plans = std::move(skippers);  // all bypass it: the state stays as it is
          continue;
        }
        const int64_t source = groups[g].state;
        if (!skippers.empty()) {
          // The bypassing plans keep the old state; the others go on in a new one.
          groups[g].state = schedule.num_states++;
          groups.push_back({source, std::move(skippers)});
        }
        schedule.steps.push_back({unit, source, groups[g].state});
      }
    }
  }
  for (const Group& group : groups) {
    for (const size_t plan : group.plans) schedule.final_states[plan] = group.state;
  }
  return schedule;
}

}  // namespace sleb
