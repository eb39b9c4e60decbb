// Runs a set of plans over a corpus, together: the only place where a model with some of its units off is run.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/model.h"
#include "sleb/engine/plan.h"

namespace sleb {

// What a plan costs on each segment of the corpus.
struct PlanLoss {
  std::vector<double> nll;         // [segments]: negative log-likelihood, nats, summed over the corpus.scored() tokens
  std::vector<double> divergence;  // [segments]: KL(dense || plan), nats, summed likewise; empty unless asked for

  double total_nll() const;
  double total_divergence() const;
};

struct EvaluateOptions {
  bool divergence = false;
  std::string stage = "evaluating";  // what progress calls it
  // What an earlier call with the same plans told `chunk_done`: these segments are not computed again.
  std::vector<PlanLoss> known = {};
  // Hears the losses so far after each chunk of segments. Where it is given, an interrupt waits for the chunk's end.
  std::function<void(const std::vector<PlanLoss>&)> chunk_done = {};
};

class PlanEvaluator {
 public:
  // Both must outlive the evaluator. Throws Error(bad_input) if an id is outside the model's vocabulary, or a segment
  // longer than the model's learned positions.
  PlanEvaluator(const Model& model, const Corpus& corpus);

  const Model& model() const { return *model_; }
  const Corpus& corpus() const { return *corpus_; }

  // One PlanLoss a plan, in the plans' order. Plans that agree on their first units share the computation up to there,
  // and each unit's weights are in use once per chunk of segments. The same call gives the same bits again, with and
  // without known losses. Throws Interrupted; Error(failed) if the device fails; Error(bad_input) for known losses that
  // are not of these plans and whole chunks.
  std::vector<PlanLoss> evaluate(std::span<const Plan> plans, const EvaluateOptions& options, Progress& progress) const;

 private:
  const Model* model_;
  const Corpus* corpus_;
};

}  // namespace sleb
