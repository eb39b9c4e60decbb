#include "sleb/search/greedy.h"

#include <chrono>
#include <cmath>
#include <numeric>

#include "sleb/base/error.h"

namespace sleb {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::vector<int64_t> GreedyResult::removal_list() const {
  std::vector<int64_t> list;
  for (const GreedyStep& step : steps) list.push_back(step.removed);
  return list;
}

void check(const GreedyOptions& options, int64_t num_blocks) {
  if (options.early_barrier < 0 || options.latter_barrier < 0) {
    bad_input("barriers of {} and {} blocks: they can't be negative", options.early_barrier, options.latter_barrier);
  }
  if (options.num_remove_blocks < 1) {
    bad_input("{} blocks to remove: give at least 1", options.num_remove_blocks);
  }
  const int64_t removable = std::max<int64_t>(0, num_blocks - options.early_barrier - options.latter_barrier);
  if (options.num_remove_blocks > removable || options.num_remove_blocks >= num_blocks) {
    bad_input("{} of {} blocks to remove: between the barriers ({} first, {} last) at most {} can go",
              options.num_remove_blocks, num_blocks, options.early_barrier, options.latter_barrier,
              std::min(removable, num_blocks - 1));
  }
}

GreedyResult greedy_search(int64_t num_blocks, const GreedyOptions& options, const LossOfPlans& losses,
                           const StepListener& finished) {
  check(options, num_blocks);
  GreedyResult result;
  std::vector<int64_t> alive(static_cast<size_t>(num_blocks));
  std::iota(alive.begin(), alive.end(), 0);
  for (int64_t round = 0; round < options.num_remove_blocks; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const Plan so_far = Plan::without_blocks(result.removal_list());
    const std::vector<int64_t> blocks(alive.begin() + options.early_barrier, alive.end() - options.latter_barrier);
    std::vector<Plan> plans(blocks.size(), so_far);
    for (size_t i = 0; i < blocks.size(); ++i) plans[i].bypass_block(blocks[i]);
    if (round == 0) plans.emplace_back();  // the dense model shares all but its last units with the candidates
    const auto values = losses(plans, fmt::format("round {} of {}", round + 1, options.num_remove_blocks));
    if (round == 0) result.dense_loss = values.back();

    GreedyStep step{-1, std::numeric_limits<double>::infinity(), {}, 0};
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (!std::isfinite(values[i])) {
        failed(
            "without block {} the loss is {}; the weights may hold NaN or infinity, or the type may be too narrow "
            "(try --dtype float32)",
            blocks[i], values[i]);
      }
      step.candidates.push_back({blocks[i], values[i]});
      if (values[i] < step.loss) {
        step.removed = blocks[i];
        step.loss = values[i];
      }
    }
    std::erase(alive, step.removed);
    step.seconds = seconds_since(start);
    result.steps.push_back(std::move(step));
    finished(result.steps.back());
  }
  return result;
}

}  // namespace sleb
