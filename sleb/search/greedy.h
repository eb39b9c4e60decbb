// SLEB's greedy search (Song et al., arXiv 2402.09025, Algorithm 1): round by round, remove the block whose absence
// costs least on the calibration text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/engine/plan.h"

namespace sleb {

struct GreedyOptions {
  int64_t num_remove_blocks = 0;
  int64_t early_barrier = 1;   // that many first blocks that are alive are no candidates
  int64_t latter_barrier = 1;  // nor that many last ones
};

// Losses are in the reference's unit: summed over segments, mean cross-entropy (nats per predicted token) x seqlen.
struct Candidate {
  int64_t block;  // index in the original model
  double loss;
};

struct GreedyStep {
  int64_t removed;
  double loss;
  std::vector<Candidate> candidates;
  double seconds;
};

struct GreedyResult {
  double dense_loss = 0;
  std::vector<GreedyStep> steps;

  std::vector<int64_t> removal_list() const;
};

// The losses of several plans, in their order; `stage` names the work for a progress bar.
using LossOfPlans = std::function<std::vector<double>(const std::vector<Plan>& plans, const std::string& stage)>;
// Hears of each round as it ends: the last of `so_far.steps`.
using RoundListener = std::function<void(const GreedyResult& so_far)>;

// Throws Error(bad_input), before any work, if that many blocks can't be removed between the barriers.
void check(const GreedyOptions& options, int64_t num_blocks);

// The strictly smallest loss wins, so a tie goes to the earlier block.
// `so_far`: rounds that an earlier search finished; this one goes on after them.
// Throws Error(failed) if a candidate's loss is not finite, Error(bad_input) if `so_far` is no beginning of this
// search.
GreedyResult greedy_search(int64_t num_blocks, const GreedyOptions& options, const LossOfPlans& losses,
                           const RoundListener& finished, GreedyResult so_far = {});

}  // namespace sleb
