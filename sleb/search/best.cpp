#include "sleb/search/best.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/stopwatch.h"

namespace sleb {
namespace {

template <typename Scored>
std::vector<PlanScore> scores_of(const std::vector<Scored>& candidates) {
  return {candidates.begin(), candidates.end()};
}

UnitSet with(UnitSet set, int64_t unit) {
  set.insert(std::ranges::lower_bound(set, unit), unit);
  return set;
}

int64_t units_of_blocks(int64_t blocks, Units units) {
  return units == Units::half ? 2 * blocks : blocks;
}

}  // namespace

BestSearch::BestSearch(int64_t num_blocks, const BestOptions& options, const RaceCounts& counts,
                       const EvaluateRace& evaluate, const RaceListener& finished, const GreedyResult& greedy)
    : options_(options),
      counts_(counts),
      evaluate_(evaluate),
      finished_(finished),
      greedy_(greedy),
      units_(options.greedy.units),
      range_{units_of_blocks(options.greedy.early_barrier, units_),
             units_of_blocks(num_blocks - options.greedy.latter_barrier, units_)},
      width_(static_cast<size_t>(range_.last - range_.first)) {}

BestResult BestSearch::run(std::vector<SetRace> so_far) {
  so_far_ = std::move(so_far);
  begin_with_greedy();
  const int64_t wanted = options_.greedy.rounds();
  if (wanted > 1) try_runs(wanted);
  improve(wanted);
  for (int64_t size = wanted - 1; size > 1; --size) try_runs(size);
  if (wanted > 1 && try_pairs(wanted)) improve(wanted);
  if (result_.races.size() < so_far_.size()) {
    bad_input("the finished race \"{}\" does not belong to this search", so_far_[result_.races.size()].step);
  }
  return std::move(result_);
}

void BestSearch::begin_with_greedy() {
  UnitSet removed;
  for (const GreedyStep& step : greedy_.steps) {
    std::vector<UnitSet> sets;
    for (const Candidate& candidate : step.candidates) sets.push_back(with(removed, candidate.unit));
    const std::vector<Plan> plans = plans_of(sets);
    count(plans, scores_of(step.candidates));
    result_.exact_operations += counts_.on_whole_text(plans);
    raced_.insert(sets.begin(), sets.end());
    removed = with(removed, step.removed);
    const auto& winner = *std::ranges::find(step.candidates, step.removed, &Candidate::unit);
    result_.sets.push_back({removed, step.loss, winner.kl});
    if (removed.size() > 1) continue;
    for (const Candidate& one : step.candidates) {
      run_costs_[{one.unit}] = cost_per_token(result_.sets[0]) + one.difference;
    }
  }
}

void BestSearch::try_runs(int64_t size) {
  const size_t before = result_.races.size();
  try_sets(fmt::format("runs of {}", size), runs_of(size, range_));
  for (size_t i = before; i < result_.races.size(); ++i) {
    const std::vector<SetCandidate>& candidates = result_.races[i].candidates;
    for (const SetCandidate& one : candidates) {
      const bool is_run = one.units.back() - one.units.front() + 1 == size;
      if (is_run) run_costs_[one.units] = cost_per_token(found(size)) + one.difference;
    }
  }
}

bool BestSearch::try_pairs(int64_t size) {
  return try_sets("pairs of runs", likely_pairs(size, run_costs_, width_ - 1));
}

void BestSearch::improve(int64_t size) {
  bool better = true;
  while (better) {
    const UnitSet set = found(size).units;
    better = try_sets("ends of runs", with_ends_moved(set, range_));
    for (size_t i = 0; i < set.size() && !better; ++i) {
      better = try_sets(exchange_of(set[i]), with_another_for(set[i], set, range_));
    }
  }
}

bool BestSearch::try_sets(const std::string& step, std::vector<UnitSet> sets) {
  std::erase_if(sets, [&](const UnitSet& set) {
    return raced_.contains(set) || set == found(std::ssize(set)).units || has_too_many(set);
  });
  for (size_t begin = 0; begin < sets.size(); begin += width_ - 1) {
    if (run_race(step, std::span(sets).subspan(begin, std::min(width_ - 1, sets.size() - begin)))) return true;
  }
  return false;
}

std::string BestSearch::exchange_of(int64_t unit) const {
  const std::string name = text_of(removal_of(unit, units_));
  return fmt::format("{} {}", units_ == Units::half ? "for" : "another for", name);
}

bool BestSearch::has_too_many(const UnitSet& set) const {
  if (units_ == Units::block) return false;
  const int64_t attention = std::ranges::count_if(set, [](int64_t unit) { return unit % 2 == 0; });
  return std::max(attention, std::ssize(set) - attention) > options_.greedy.num_remove_blocks;
}

std::vector<Plan> BestSearch::plans_of(const std::vector<UnitSet>& sets) const {
  std::vector<Plan> plans;
  for (const UnitSet& set : sets) plans.push_back(plan_without(set, units_));
  return plans;
}

bool BestSearch::run_race(const std::string& step, std::span<const UnitSet> sets) {
  FoundSet& best = found(std::ssize(sets[0]));
  std::vector<UnitSet> all = {best.units};
  all.insert(all.end(), sets.begin(), sets.end());
  const std::vector<Plan> plans = plans_of(all);
  const double left = options_.budget * result_.exact_operations - result_.counted;
  const double estimated = counts_.at_most(plans) * result_.counted / most_counted_;
  if (std::max(estimated, counts_.on_first_rung(plans)) > left) {
    result_.out_of_budget = true;
    return false;
  }
  SetRace race = result_.races.size() < so_far_.size() ? earlier(step, all) : evaluated(step, all, left);
  count(plans, scores_of(race.candidates));
  raced_.insert(all.begin(), all.end());
  const bool is_new = result_.races.size() >= so_far_.size();
  const SetCandidate& winner = race.candidates[race.best];
  if (race.best > 0) best = {winner.units, winner.loss, winner.kl};
  const bool better = race.best > 0;
  result_.races.push_back(std::move(race));
  if (is_new) finished_(result_.races, best);
  return better;
}

SetRace BestSearch::evaluated(const std::string& step, const std::vector<UnitSet>& sets, double budget) const {
  const auto start = std::chrono::steady_clock::now();
  const RaceOutcome outcome = evaluate_({.stage = step, .plans = plans_of(sets), .known = 0, .budget = budget});
  SetRace race{.step = step};
  for (size_t i = 0; i < sets.size(); ++i) race.candidates.push_back({outcome.scores.at(i), sets[i]});
  race.best = best_of(race);
  race.seconds = seconds_since(start);
  race.operations = outcome.operations;
  return race;
}

// A race that some file tells of is believed only if it is what this search would have run and concluded.
SetRace BestSearch::earlier(const std::string& step, const std::vector<UnitSet>& sets) {
  SetRace& race = so_far_[result_.races.size()];
  if (race.step != step || !std::ranges::equal(race.candidates, sets, {}, &SetCandidate::units) ||
      race.best != best_of(race)) {
    bad_input("the finished race \"{}\" does not belong to this search", race.step);
  }
  return race;
}

size_t BestSearch::best_of(const SetRace& race) const {
  const Criterion criterion = options_.greedy.criterion;
  const FoundSet& before = result_.sets.at(race.candidates[0].units.size() - 1);
  const size_t winner = index_of_winner(race.candidates, criterion);
  const SetCandidate& set = race.candidates[winner];
  return set.tokens == options_.text_tokens && set.by(criterion) < before.by(criterion) ? winner : 0;
}

double BestSearch::cost_per_token(const FoundSet& set) const {
  if (options_.greedy.criterion == Criterion::kl) return set.kl;
  return (set.loss - greedy_.dense_loss) / static_cast<double>(options_.text_tokens);
}

void BestSearch::count(const std::vector<Plan>& plans, std::span<const PlanScore> scores) {
  result_.counted += counts_.of(plans, scores);
  most_counted_ += counts_.at_most(plans);
}

}  // namespace sleb
