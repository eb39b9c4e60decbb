// Perplexity of plans over a corpus, and how sure it is.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "sleb/engine/sweep/plan_evaluator.h"

namespace sleb {

// The reference's loss of a plan: summed over segments, mean cross-entropy of the seqlen - 1 predicted tokens x seqlen.
double reference_loss(double total_nll, int64_t seqlen);

// exp(reference loss / (segments x seqlen)).
double perplexity(double reference_loss, int64_t segments, int64_t seqlen);

// A mean over the segments with its standard error, their standard deviation (n - 1) / sqrt(n). A single segment has
// none. Segments and not tokens count, because the tokens of one segment are not independent of each other.
struct Estimate {
  double value;
  std::optional<double> error;
};

struct PerplexityRow {
  Estimate perplexity;  // exp(mean nll); its error to first order, that of the mean x the perplexity
  Estimate difference;  // nll less the dense model's, nats per scored token, paired segment by segment
  Estimate divergence;  // KL(dense || plan), nats per scored token
};
// `scored`: tokens of a segment that the losses are sums over. Losses of the same segments, at least one; `loss` has
// divergences.
PerplexityRow perplexity_row(const PlanLoss& loss, const PlanLoss& dense, int64_t scored);

struct CorpusPerplexity {
  std::vector<PerplexityRow> rows;  // the dense model's first
  PlanLoss dense;
  double seconds;  // of the sweep over the corpus, in which all of them are computed
};
// Throws what PlanEvaluator::evaluate throws, and Error(failed) for a loss that is no finite number.
// `keep_dense`: what evaluate_alone compares with, to be filled; nullptr: nothing.
CorpusPerplexity evaluate_perplexity(const PlanEvaluator& evaluator, std::span<const Plan> pruned, Progress& progress,
                                     const DenseStates* keep_dense = nullptr);
// A plan's loss on a model by itself, and where `dense` is not nullptr its divergence from the model of these states.
// Throws the same.
PlanLoss evaluate_alone(const PlanEvaluator& evaluator, const Plan& plan, Progress& progress,
                        const DenseStates* dense = nullptr);

// Throws Error(failed) for a loss or divergence that is no finite number, in the user's terms: the plan's blocks, what
// may be wrong.
void check_finite(const PlanLoss& loss, const Plan& plan, const Checkpoint& checkpoint);
bool is_finite(const PlanLoss& loss);

}  // namespace sleb
