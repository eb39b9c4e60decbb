// Better sets than greedy's: races among sets of units (blocks, or halves of them) of one size, from several starts,
// then exchanges.
//
// Greedy removal can't take a unit back, and it looks at one at a time, where a run of neighbours often costs less than
// the single ones that cost least. Here greedy's sets race with all runs of their size, with the
// likeliest pairs of runs, and the best of them with what one exchange makes of it, until none is better or the budget
// is spent. A set takes the place of the best so far only by a smaller score on the whole text, so that none is worse
// than greedy's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sleb/search/greedy.h"
#include "sleb/search/unit_sets.h"

namespace sleb {

struct SetCandidate : PlanScore {
  UnitSet units = {};
};

struct SetRace {
  std::string step;                           // "runs of 6", "another for 17", "for 17.mlp"
  std::vector<SetCandidate> candidates = {};  // the first is the best set so far of that size
  size_t best = 0;                            // of them, afterwards
  double seconds = 0;
  double operations = 0;  // floating-point operations that were computed
};

// The best set of its size so far.
struct FoundSet {
  UnitSet units;
  double loss = 0;  // on the whole text, in the reference's unit
  double kl = 0;    // nats per predicted token

  double by(Criterion criterion) const { return criterion == Criterion::kl ? kl : loss; }
};

struct BestResult {
  std::vector<SetRace> races;
  std::vector<FoundSet> sets;   // of 1, 2, ... units; a smaller one need not be a part of a larger one
  double exact_operations = 0;  // of the exact greedy search, the budget's unit
  double counted = 0;           // operations of greedy's rounds and all races, as the budget counts them
  bool out_of_budget = false;   // whether candidates were left out that did not fit in it
};

// Floating-point operations of races, counted the same whatever was kept or computed by an earlier run (RaceCost).
struct RaceCounts {
  std::function<double(std::span<const Plan>)> on_first_rung, on_whole_text, at_most;
  std::function<double(std::span<const Plan>, std::span<const PlanScore>)> of;
};

struct BestOptions {
  GreedyOptions greedy;
  double budget = 1;        // in exact greedy searches, greedy's own rounds included
  int64_t text_tokens = 0;  // that a candidate has seen when it saw the whole text
};

// Hears of each race as it ends: the last of `races`, and what is the best set of its size now.
using RaceListener = std::function<void(const std::vector<SetRace>& races, const FoundSet& best)>;

class BestSearch {
 public:
  // `greedy`: finished. All must outlive the search.
  BestSearch(int64_t num_blocks, const BestOptions& options, const RaceCounts& counts, const EvaluateRace& evaluate,
             const RaceListener& finished, const GreedyResult& greedy);

  // `so_far`: races that an earlier search finished. Throws what `evaluate` throws, Error(bad_input) if they are no
  // beginning of this search.
  BestResult run(std::vector<SetRace> so_far);

 private:
  void begin_with_greedy();
  void try_runs(int64_t size);
  bool try_pairs(int64_t size);
  void improve(int64_t size);
  // Whether a better set was found. Sets that have raced before are left out, and the rest is cut into races that
  // take no more memory than greedy's first round.
  bool try_sets(const std::string& step, std::vector<UnitSet> sets);
  bool run_race(const std::string& step, std::span<const UnitSet> sets);
  SetRace evaluated(const std::string& step, const std::vector<UnitSet>& sets, double budget) const;
  SetRace earlier(const std::string& step, const std::vector<UnitSet>& sets);
  size_t best_of(const SetRace& race) const;
  std::string exchange_of(int64_t unit) const;
  // Of halves of one kind, more than are to go.
  bool has_too_many(const UnitSet& set) const;
  std::vector<Plan> plans_of(const std::vector<UnitSet>& sets) const;
  double cost_per_token(const FoundSet& set) const;
  FoundSet& found(int64_t size) { return result_.sets.at(static_cast<size_t>(size - 1)); }
  void count(const std::vector<Plan>& plans, std::span<const PlanScore> scores);

  const BestOptions& options_;
  const RaceCounts& counts_;
  const EvaluateRace& evaluate_;
  const RaceListener& finished_;
  const GreedyResult& greedy_;
  Units units_;
  UnitRange range_;
  size_t width_;             // plans of a race
  double most_counted_ = 0;  // what all races so far would have taken without dropping candidates
  std::set<UnitSet> raced_;
  std::map<UnitSet, double> run_costs_;  // nats per token above the dense model, about
  std::vector<SetRace> so_far_;
  BestResult result_;
};

}  // namespace sleb
