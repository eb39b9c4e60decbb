// Plans in a race: candidates are computed on growing parts of the text, and are dropped when they are significantly
// worse than the leader.
#pragma once

#include <vector>

#include "sleb/search/race_sweep.h"

namespace sleb {

// The whole text at once: no race.
std::vector<Rung> exact_rungs(int64_t num_chunks);

// The text in an order that mixes it (a text may change on its way, and the part seen first has to stand for the rest),
// each rung half as long again as all before it, at least a chunk. A text of one or two chunks is raced on the first
// quarter of each segment before: with more chunks the first of them is no longer than that, and need not be computed
// again.
std::vector<Rung> race_rungs(const PlanEvaluator& evaluator);
std::vector<Rung> race_rungs(int64_t num_chunks, int64_t segments, int64_t seqlen);

// Floating-point operations of races as PlanEvaluator counts them, the dense model's among them, with nothing kept from
// earlier calls: the same whichever part of a race another run computed, and however much memory there is for states.
class RaceCost {
 public:
  // `rungs`: of all races.
  RaceCost(const PlanEvaluator& evaluator, std::vector<Rung> rungs)
      : evaluator_(&evaluator), rungs_(std::move(rungs)) {}

  const std::vector<Rung>& rungs() const { return rungs_; }
  // Of these plans on one rung; once on the whole text, as the exact search computes them; and on all rungs: more than
  // that no race takes.
  double on_rung(size_t rung, std::span<const Plan> plans) const;
  double on_whole_text(std::span<const Plan> plans) const;
  double at_most(std::span<const Plan> plans) const;
  // What the race took that ended so. `scores`: [plans].
  double of(std::span<const Plan> plans, std::span<const PlanScore> scores) const;

 private:
  int64_t segments(const Rung& rung) const;

  const PlanEvaluator* evaluator_;
  std::vector<Rung> rungs_;
};

// After each rung but the last, candidates are dropped whose difference to the leader is significantly positive.
// `confidence`: the chance that the best candidate on the whole text is not dropped. It is the best's being dropped
// that is an error, which may happen against any of the others and after any rung: by Bonferroni's inequality the
// chance of each must be (1 - confidence) / ((candidates - 1) x (rungs - 1)).
RaceOutcome run_race(RaceSweep& sweep, const RaceCost& cost, double confidence);

}  // namespace sleb
