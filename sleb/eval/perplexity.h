// Perplexity of a plan over a corpus, in the reference's protocol.
#pragma once

#include "sleb/engine/plan_evaluator.h"

namespace sleb {

// The reference's loss of a plan: summed over segments, mean cross-entropy of the seqlen - 1 predicted tokens x seqlen.
double reference_loss(double total_nll, int64_t seqlen);

// exp(reference loss / (segments x seqlen)).
double perplexity(double reference_loss, int64_t segments, int64_t seqlen);

struct PerplexityRow {
  double perplexity;
  double divergence;  // KL(dense || plan), nats per predicted token
};

// Dense and pruned in one sweep over the corpus.
struct PerplexityPair {
  PerplexityRow dense;
  PerplexityRow pruned;
};
PerplexityPair compare_perplexity(const Model& model, const Corpus& corpus, const Plan& pruned, Progress& progress);

}  // namespace sleb
