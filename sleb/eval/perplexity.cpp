#include "sleb/eval/perplexity.h"

#include <array>
#include <cmath>

namespace sleb {

double reference_loss(double total_nll, int64_t seqlen) {
  return total_nll / static_cast<double>(seqlen - 1) * static_cast<double>(seqlen);
}

double perplexity(double reference_loss, int64_t segments, int64_t seqlen) {
  return std::exp(reference_loss / static_cast<double>(segments * seqlen));
}

PerplexityPair compare_perplexity(const Model& model, const Corpus& corpus, const Plan& pruned, Progress& progress) {
  const PlanEvaluator evaluator(model, corpus);
  const std::array plans = {Plan(), pruned};
  const auto losses =
      evaluator.evaluate(plans, {.divergence = true, .stage = "perplexity on " + corpus.name}, progress);
  const auto row = [&](const PlanLoss& loss) {
    const auto predicted = static_cast<double>(corpus.segments * (corpus.seqlen - 1));
    return PerplexityRow{perplexity(reference_loss(loss.total_nll(), corpus.seqlen), corpus.segments, corpus.seqlen),
                         loss.total_divergence() / predicted};
  };
  return {row(losses[0]), row(losses[1])};
}

}  // namespace sleb
