#include "sleb/search/greedy.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "sleb/base/error.h"
#include "sleb/base/stopwatch.h"

namespace sleb {
namespace {

const Candidate& choose(const std::vector<Candidate>& candidates, const GreedyOptions& options) {
  for (const Candidate& candidate : candidates) {
    const double value = candidate.by(options.criterion);
    if (std::isfinite(value)) continue;
    failed("without block {} the {} is {}", text_of(removal_of(candidate.unit, options.units)),
           name_of(options.criterion), value);
  }
  return candidates[index_of_winner(candidates, options.criterion)];
}

// The better a unit was when it was last looked at, the likelier it is the next to go.
std::vector<double> expectation(const std::vector<int64_t>& units, const GreedyStep& last) {
  std::vector<double> expected;
  for (const int64_t unit : units) {
    const auto before = std::ranges::find(last.candidates, unit, &Candidate::unit);
    expected.push_back(before == last.candidates.end() ? std::numeric_limits<double>::max() : before->difference);
  }
  return expected;
}

// A round that some file tells of is believed only if it is what this search would have chosen from these losses.
void check_finished(const GreedyStep& step, const std::vector<int64_t>& units, const GreedyOptions& options) {
  if (!units.empty() && std::ranges::equal(step.candidates, units, {}, &Candidate::unit)) {
    const Candidate& chosen = choose(step.candidates, options);
    if (chosen.unit == step.removed && chosen.loss == step.loss) return;
  }
  bad_input("the finished round that removed block {} does not belong to this search",
            text_of(removal_of(step.removed, options.units)));
}

}  // namespace

std::optional<double> GreedyStep::margin() const {
  std::optional<double> margin;
  for (const Candidate& candidate : candidates) {
    if (candidate.unit == removed || !candidate.error || *candidate.error == 0) continue;
    const double own = candidate.difference / *candidate.error;
    margin = std::min(margin.value_or(own), own);
  }
  return margin;
}

RemovalList GreedyResult::removal_list(Units units) const {
  RemovalList list;
  for (const GreedyStep& step : steps) list.push_back(removal_of(step.removed, units));
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

// A half of a kind of which enough are gone is no candidate.
std::vector<int64_t> candidates_after(const std::vector<int64_t>& removed, int64_t num_blocks,
                                      const GreedyOptions& options) {
  const int64_t each = options.units == Units::half ? 2 : 1;  // units of a block
  std::vector<int64_t> candidates;
  for (int64_t unit = each * options.early_barrier; unit < each * (num_blocks - options.latter_barrier); ++unit) {
    const auto is_alike = [&](int64_t other) { return other % each == unit % each; };
    const bool enough = each == 2 && std::ranges::count_if(removed, is_alike) >= options.num_remove_blocks;
    if (!enough && std::ranges::find(removed, unit) == removed.end()) candidates.push_back(unit);
  }
  return candidates;
}

std::vector<Plan> plans_without(const std::vector<int64_t>& removed, const std::vector<int64_t>& candidates,
                                Units kind) {
  std::vector<Plan> plans;
  for (const int64_t candidate : candidates) {
    std::vector<int64_t> units = removed;
    units.push_back(candidate);
    plans.push_back(plan_without(units, kind));
  }
  return plans;
}

GreedyResult greedy_search(int64_t num_blocks, const GreedyOptions& options, const EvaluateRace& evaluate,
                           const RoundListener& finished, GreedyResult so_far, const MayGoOn& may_go_on) {
  check(options, num_blocks);
  if (std::ssize(so_far.steps) > options.rounds()) {
    bad_input("{} rounds are finished, of a search of {}", so_far.steps.size(), options.rounds());
  }
  std::vector<int64_t> removed;
  for (const GreedyStep& step : so_far.steps) {
    check_finished(step, candidates_after(removed, num_blocks, options), options);
    removed.push_back(step.removed);
  }
  GreedyResult result = std::move(so_far);
  for (auto number = static_cast<int64_t>(result.steps.size()); number < options.rounds(); ++number) {
    if (may_go_on && number > 0 && !may_go_on(result)) break;
    const auto start = std::chrono::steady_clock::now();
    const std::vector<int64_t> units = candidates_after(removed, num_blocks, options);
    PlanRace round{.stage = fmt::format("round {} of {}{}", number + 1, may_go_on ? "at most " : "", options.rounds()),
                   .plans = plans_without(removed, units, options.units),
                   .wants_dense_loss = number == 0};
    if (number > 0) round.expected = expectation(units, result.steps.back());
    const RaceOutcome outcome = evaluate(round);
    if (round.wants_dense_loss) result.dense_loss = outcome.dense_loss;
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < units.size(); ++i) candidates.push_back({outcome.scores.at(i), units[i]});
    const Candidate& chosen = choose(candidates, options);
    removed.push_back(chosen.unit);
    result.steps.push_back({chosen.unit, chosen.loss, std::move(candidates), seconds_since(start), outcome.operations});
    finished(result);
  }
  return result;
}

}  // namespace sleb
