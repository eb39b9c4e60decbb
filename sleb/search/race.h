// One round as a race: candidates are computed on growing parts of the text, and are dropped when they are
// significantly worse than the leader.
#pragma once

#include <vector>

#include "sleb/search/round_sweep.h"

namespace sleb {

// The whole text at once: no race.
std::vector<Rung> exact_rungs(int64_t num_chunks);

// The text in an order that mixes it (a text may change on its way, and the part seen first has to stand for the rest),
// each rung half as long again as all before it, at least a chunk. A text of one or two chunks is raced on the first
// quarter of each segment before: with more chunks the first of them is no longer than that, and need not be computed
// again.
std::vector<Rung> race_rungs(const PlanEvaluator& evaluator);
std::vector<Rung> race_rungs(int64_t num_chunks, int64_t segments, int64_t seqlen);

// After each rung but the last, candidates are dropped whose difference to the leader is significantly positive.
// `confidence`: the chance that the round's best block on the whole text is not dropped. It is the best's being dropped
// that is an error, which may happen against any of the others and after any rung: by Bonferroni's inequality the
// chance of each must be (1 - confidence) / ((candidates - 1) x (rungs - 1)).
RoundOutcome run_race(RoundSweep& sweep, const std::vector<Rung>& rungs, double confidence);

}  // namespace sleb
