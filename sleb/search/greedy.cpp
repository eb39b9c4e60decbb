#include "sleb/search/greedy.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "sleb/base/error.h"

namespace sleb {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<int64_t> candidates_of(const std::vector<int64_t>& alive, const GreedyOptions& options) {
  return {alive.begin() + options.early_barrier, alive.end() - options.latter_barrier};
}

// values: the loss without each of `blocks`; more may follow.
GreedyStep choose(const std::vector<int64_t>& blocks, const std::vector<double>& values) {
  GreedyStep step{-1, std::numeric_limits<double>::infinity(), {}, 0};
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!std::isfinite(values[i])) failed("without block {} the loss is {}", blocks[i], values[i]);
    step.candidates.push_back({blocks[i], values[i]});
    if (values[i] < step.loss) {
      step.removed = blocks[i];
      step.loss = values[i];
    }
  }
  return step;
}

// A round that some file tells of is believed only if it is what this search would have chosen from these losses.
void check_finished(const GreedyStep& step, const std::vector<int64_t>& blocks) {
  std::vector<double> values;
  for (const Candidate& candidate : step.candidates) values.push_back(candidate.loss);
  if (std::ranges::equal(step.candidates, blocks, {}, &Candidate::block)) {
    const GreedyStep chosen = choose(blocks, values);
    if (chosen.removed == step.removed && chosen.loss == step.loss) return;
  }
  bad_input("the finished round that removed block {} does not belong to this search", step.removed);
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
                           const RoundListener& finished, GreedyResult so_far) {
  check(options, num_blocks);
  if (static_cast<int64_t>(so_far.steps.size()) > options.num_remove_blocks) {
    bad_input("{} rounds are finished, of a search of {}", so_far.steps.size(), options.num_remove_blocks);
  }
  std::vector<int64_t> alive(static_cast<size_t>(num_blocks));
  std::iota(alive.begin(), alive.end(), 0);
  for (const GreedyStep& step : so_far.steps) {
    check_finished(step, candidates_of(alive, options));
    std::erase(alive, step.removed);
  }
  GreedyResult result = std::move(so_far);
  for (auto round = static_cast<int64_t>(result.steps.size()); round < options.num_remove_blocks; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<int64_t> blocks = candidates_of(alive, options);
    std::vector<Plan> plans(blocks.size(), Plan::without_blocks(result.removal_list()));
    for (size_t i = 0; i < blocks.size(); ++i) plans[i].bypass_block(blocks[i]);
    if (round == 0) plans.emplace_back();  // the dense model shares all but its last units with the candidates
    const auto values = losses(plans, fmt::format("round {} of {}", round + 1, options.num_remove_blocks));
    if (round == 0) result.dense_loss = values.back();
    GreedyStep step = choose(blocks, values);
    std::erase(alive, step.removed);
    step.seconds = seconds_since(start);
    result.steps.push_back(std::move(step));
    finished(result);
  }
  return result;
}

}  // namespace sleb
