// Runs a set of plans over a corpus, together: the only place where a model with some of its units off is run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/model.h"
#include "sleb/engine/plans/plan.h"
#include "sleb/engine/plans/resume_depths.h"
#include "sleb/engine/sweep/dense_states.h"

namespace sleb {

// What a plan costs on each block of scored tokens, segment after segment; a block is a whole segment unless asked for
// otherwise.
struct PlanLoss {
  std::vector<double> nll;         // [blocks]: negative log-likelihood, nats, summed over the block's tokens
  std::vector<double> divergence;  // [blocks]: KL(dense || plan), nats, summed likewise; empty unless asked for

  double total_nll() const;
  double total_divergence() const;
  // Those of further blocks.
  void append(const PlanLoss& more);
};

struct EvaluateOptions {
  bool divergence = false;
  // Where the dense model's last hidden states of this corpus go, for another call's `dense`; with divergence and whole
  // segments only.
  const DenseStates* keep_dense = nullptr;
  // The dense model that divergences are from; nullptr: this one without a plan. Of another model with the same head,
  // such as the one that this model is a repair of.
  const DenseStates* dense = nullptr;
  std::string stage = "evaluating";  // what progress calls it
  // Which chunks of the corpus, in this order; empty: all.
  std::vector<int64_t> chunks = {};
  int64_t tokens = 0;        // only this many of each segment, its first; 0: all
  int64_t block_tokens = 0;  // scored tokens of a block, the last of a segment may have fewer; 0: a block is a segment
  // The plans that later calls may extend: where such a call parts from this one, states are kept for it.
  std::vector<LikelyPlan> likely = {};
  // What an earlier call with the same plans told `chunk_done`: these chunks are not computed again.
  std::vector<PlanLoss> known = {};
  // Hears the losses so far after each chunk. Where it is given, an interrupt waits for the chunk's end.
  std::function<void(const std::vector<PlanLoss>&)> chunk_done = {};
};

class PlanEvaluator {
 public:
  // Both must outlive the evaluator. `state_memory`: bytes that hidden states may take between calls, on the model's
  // device; `host_state_memory`: that those which do not fit there may take in the machine's memory, of a model on a
  // GPU. `chunk_segments`: computed at once; 0: default_chunk_segments. Throws Error(bad_input) if an id is outside the
  // model's vocabulary, or a segment longer than the model's learned positions.
  PlanEvaluator(const Model& model, const Corpus& corpus, uint64_t state_memory = 0, int64_t chunk_segments = 0,
                uint64_t host_state_memory = 0);
  ~PlanEvaluator();
  PlanEvaluator(PlanEvaluator&&) noexcept;

  const Model& model() const { return *model_; }
  const Corpus& corpus() const { return *corpus_; }

  // The corpus is computed in chunks of so many segments; the last may have fewer.
  int64_t chunk_segments() const { return chunk_segments_; }
  int64_t num_chunks() const;
  // Blocks of one segment under these options.
  int64_t blocks_per_segment(const EvaluateOptions& options) const;

  // One PlanLoss a plan, in the plans' order. Plans that agree on their first units share the computation up to there,
  // and each unit's weights are in use once per chunk. The same plans on the same chunk give the same bits again,
  // whatever is known or kept and whichever chunks go with it. Throws Interrupted; Error(failed) if the device fails;
  // Error(bad_input) for known losses that are not of these plans and whole chunks.
  std::vector<PlanLoss> evaluate(std::span<const Plan> plans, const EvaluateOptions& options, Progress& progress) const;

  // Floating-point operations of all calls so far, and those that one plan takes by itself on the whole corpus.
  double operations() const;
  double operations_alone(const Plan& plan) const;

 private:
  struct Past;

  const Model* model_;
  const Corpus* corpus_;
  int64_t chunk_segments_;
  std::unique_ptr<Past> past_;  // what earlier calls left; no result depends on it
};

}  // namespace sleb
