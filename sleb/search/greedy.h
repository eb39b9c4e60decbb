// SLEB's greedy search (Song et al., arXiv 2402.09025, Algorithm 1): round by round, remove the block, or the half of a
// block, whose absence costs least on the calibration text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "sleb/engine/plans/plan.h"
#include "sleb/search/candidates.h"

namespace sleb {

struct GreedyOptions {
  int64_t num_remove_blocks = 0;  // of halves so many of each kind, so that what is left is as fast
  int64_t early_barrier = 1;      // that many first blocks that are alive are no candidates
  int64_t latter_barrier = 1;     // nor that many last ones
  Criterion criterion = Criterion::loss;
  Units units = Units::block;

  // Units that go, one a round.
  int64_t rounds() const { return units == Units::half ? 2 * num_remove_blocks : num_remove_blocks; }
};

struct Candidate : PlanScore {
  int64_t unit = 0;  // in the original model
};

struct GreedyStep {
  int64_t removed;  // a unit
  double loss;      // of the winner, on the whole text
  std::vector<Candidate> candidates;
  double seconds;
  double operations = 0;  // floating-point operations of the round

  // The smallest difference to the winner in standard errors; nothing if there is no other candidate, or no error.
  std::optional<double> margin() const;
};

struct GreedyResult {
  double dense_loss = 0;
  std::vector<GreedyStep> steps;

  RemovalList removal_list(Units units) const;
};

// Hears of each round as it ends: the last of `so_far.steps`.
using RoundListener = std::function<void(const GreedyResult& so_far)>;
// Asked before each round but the first; the search ends where it says no.
using MayGoOn = std::function<bool(const GreedyResult& so_far)>;

// Throws Error(bad_input), before any work, if that many blocks can't be removed between the barriers.
void check(const GreedyOptions& options, int64_t num_blocks);

// The units that may be removed after those, and the model without each of them and those.
std::vector<int64_t> candidates_after(const std::vector<int64_t>& removed, int64_t num_blocks,
                                      const GreedyOptions& options);
std::vector<Plan> plans_without(const std::vector<int64_t>& removed, const std::vector<int64_t>& candidates,
                                Units kind);

// Each round is a race of the units in ascending order; index_of_winner says which of them is removed.
// `so_far`: rounds that an earlier search finished; this one goes on after them.
// Throws Error(failed) if a candidate's score is not finite, Error(bad_input) if `so_far` is no beginning of this
// search.
GreedyResult greedy_search(int64_t num_blocks, const GreedyOptions& options, const EvaluateRace& evaluate,
                           const RoundListener& finished, GreedyResult so_far = {}, const MayGoOn& may_go_on = {});

}  // namespace sleb
