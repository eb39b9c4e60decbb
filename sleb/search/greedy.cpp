#include "sleb/search/greedy.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "sleb/base/error.h"

namespace sleb {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

const Candidate& choose(const std::vector<Candidate>& candidates, Criterion criterion) {
  for (const Candidate& candidate : candidates) {
    const double value = candidate.by(criterion);
    if (!std::isfinite(value)) failed("without block {} the {} is {}", candidate.block, name_of(criterion), value);
  }
  return candidates[index_of_winner(candidates, criterion)];
}

// The better a block was when it was last looked at, the likelier it is the next to go.
std::vector<double> expectation(const std::vector<int64_t>& blocks, const GreedyStep& last) {
  std::vector<double> expected;
  for (const int64_t block : blocks) {
    const auto before = std::ranges::find(last.candidates, block, &Candidate::block);
    expected.push_back(before == last.candidates.end() ? std::numeric_limits<double>::max() : before->difference);
  }
  return expected;
}

// A round that some file tells of is believed only if it is what this search would have chosen from these losses.
void check_finished(const GreedyStep& step, const std::vector<int64_t>& blocks, Criterion criterion) {
  if (!blocks.empty() && std::ranges::equal(step.candidates, blocks, {}, &Candidate::block)) {
    const Candidate& chosen = choose(step.candidates, criterion);
    if (chosen.block == step.removed && chosen.loss == step.loss) return;
  }
  bad_input("the finished round that removed block {} does not belong to this search", step.removed);
}

}  // namespace

std::optional<double> GreedyStep::margin() const {
  std::optional<double> margin;
  for (const Candidate& candidate : candidates) {
    if (candidate.block == removed || !candidate.error || *candidate.error == 0) continue;
    const double own = candidate.difference / *candidate.error;
    margin = std::min(margin.value_or(own), own);
  }
  return margin;
}

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
  const int64_t behind_early = num_blocks - std::min(options.early_barrier, num_blocks);
  const int64_t removable = behind_early - std::min(options.latter_barrier, behind_early);
  if (options.num_remove_blocks > removable || options.num_remove_blocks >= num_blocks) {
    bad_input("{} of {} blocks to remove: between the barriers ({} first, {} last) at most {} can go",
              options.num_remove_blocks, num_blocks, options.early_barrier, options.latter_barrier,
              std::min(removable, num_blocks - 1));
  }
}

std::vector<int64_t> candidates_after(const std::vector<int64_t>& removed, int64_t num_blocks,
                                      const GreedyOptions& options) {
  std::vector<int64_t> alive(static_cast<size_t>(num_blocks));
  std::iota(alive.begin(), alive.end(), 0);
  std::erase_if(alive, [&](int64_t block) { return std::ranges::find(removed, block) != removed.end(); });
  if (std::ssize(alive) <= options.early_barrier + options.latter_barrier) return {};
  return {alive.begin() + options.early_barrier, alive.end() - options.latter_barrier};
}

std::vector<Plan> plans_without(const std::vector<int64_t>& removed, const std::vector<int64_t>& candidates) {
  std::vector<Plan> plans(candidates.size(), Plan::without_blocks(removed));
  for (size_t i = 0; i < candidates.size(); ++i) plans[i].bypass_block(candidates[i]);
  return plans;
}

GreedyResult greedy_search(int64_t num_blocks, const GreedyOptions& options, const EvaluateRace& evaluate,
                           const RoundListener& finished, GreedyResult so_far) {
  check(options, num_blocks);
  if (static_cast<int64_t>(so_far.steps.size()) > options.num_remove_blocks) {
    bad_input("{} rounds are finished, of a search of {}", so_far.steps.size(), options.num_remove_blocks);
  }
  std::vector<int64_t> removed;
  for (const GreedyStep& step : so_far.steps) {
    check_finished(step, candidates_after(removed, num_blocks, options), options.criterion);
    removed.push_back(step.removed);
  }
  GreedyResult result = std::move(so_far);
  for (auto number = static_cast<int64_t>(result.steps.size()); number < options.num_remove_blocks; ++number) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<int64_t> blocks = candidates_after(removed, num_blocks, options);
    PlanRace round{.stage = fmt::format("round {} of {}", number + 1, options.num_remove_blocks),
                   .plans = plans_without(removed, blocks),
                   .wants_dense_loss = number == 0};
    if (number > 0) round.expected = expectation(blocks, result.steps.back());
    const RaceOutcome outcome = evaluate(round);
    if (round.wants_dense_loss) result.dense_loss = outcome.dense_loss;
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < blocks.size(); ++i) candidates.push_back({outcome.scores.at(i), blocks[i]});
    const Candidate& chosen = choose(candidates, options.criterion);
    removed.push_back(chosen.block);
    result.steps.push_back(
        {chosen.block, chosen.loss, std::move(candidates), seconds_since(start), outcome.operations});
    finished(result);
  }
  return result;
}

}  // namespace sleb
