// SLEB's greedy search (Song et al., arXiv 2402.09025, Algorithm 1): round by round, remove the block whose absence
// costs least on the calibration text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

// By what a candidate is judged: the loss on the text (SLEB), or the divergence of its next-token distribution from the
// dense model's, which says the same with less noise.
enum class Criterion { loss, kl };
std::string_view name_of(Criterion criterion);

struct GreedyOptions {
  int64_t num_remove_blocks = 0;
  int64_t early_barrier = 1;   // that many first blocks that are alive are no candidates
  int64_t latter_barrier = 1;  // nor that many last ones
  Criterion criterion = Criterion::loss;
};

struct Candidate {
  int64_t block;  // index in the original model
  // In the reference's unit: summed over segments, mean cross-entropy (nats per predicted token) x seqlen. Of a
  // candidate that saw a part of the text, scaled to the whole.
  double loss;
  double kl = 0;         // KL(dense || candidate), nats per predicted token, from the same sweep
  int64_t segments = 0;  // that it saw a part of
  int64_t tokens = 0;    // that it saw, scored or not
  // By how much its score is above the winner's on the tokens that both saw, nats per token, and the standard error.
  double difference = 0;
  std::optional<double> error = {};
};

struct GreedyStep {
  int64_t removed;
  double loss;  // of the winner, on the whole text
  std::vector<Candidate> candidates;
  double seconds;
  double operations = 0;  // floating-point operations of the round

  // The smallest difference to the winner in standard errors; nothing if there is no other candidate, or no error.
  std::optional<double> margin() const;
};

struct GreedyResult {
  double dense_loss = 0;
  std::vector<GreedyStep> steps;

  std::vector<int64_t> removal_list() const;
};

struct GreedyRound {
  std::string stage;            // for a progress bar
  std::vector<int64_t> blocks;  // the candidates
  std::vector<Plan> plans;      // [blocks]
  bool wants_dense_loss;
  const GreedyStep* last;  // the round before, if there was one
};
struct RoundOutcome {
  std::vector<Candidate> candidates;  // in the order of the round's blocks
  double dense_loss = 0;              // if wanted
  double operations = 0;
};
using EvaluateRound = std::function<RoundOutcome(const GreedyRound& round)>;
// Hears of each round as it ends: the last of `so_far.steps`.
using RoundListener = std::function<void(const GreedyResult& so_far)>;

// Throws Error(bad_input), before any work, if that many blocks can't be removed between the barriers.
void check(const GreedyOptions& options, int64_t num_blocks);

// The blocks that may be removed after those, and the model without each of them and those.
std::vector<int64_t> candidates_after(const std::vector<int64_t>& removed, int64_t num_blocks,
                                      const GreedyOptions& options);
std::vector<Plan> plans_without(const std::vector<int64_t>& removed, const std::vector<int64_t>& candidates);

// Of the candidates that saw most tokens the one with the strictly smallest score wins, so a tie goes to the earlier
// block.
// `so_far`: rounds that an earlier search finished; this one goes on after them.
// Throws Error(failed) if a candidate's score is not finite, Error(bad_input) if `so_far` is no beginning of this
// search.
GreedyResult greedy_search(int64_t num_blocks, const GreedyOptions& options, const EvaluateRound& evaluate,
                           const RoundListener& finished, GreedyResult so_far = {});

}  // namespace sleb
