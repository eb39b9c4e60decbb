// Log-likelihoods of the ends of token sequences: what zero-shot tasks are made of.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/engine/model.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

struct ScoredSequence {
  std::vector<int64_t> ids;
  int64_t scored;  // the last `scored` ids are scored, each given all ids before it; 1 <= scored < ids.size()
};

// Sequences of one question. What they share in front is computed once: they run as one packed sequence in which a
// token sees only its own ancestors.
using SequenceGroup = std::vector<ScoredSequence>;

struct SequenceScore {
  double log_likelihood;  // nats, summed over the scored ids
  bool is_greedy;         // each scored id is the likeliest there
};

// Tokens that are computed at once, of as many groups as fit; a longer group is computed by itself.
int64_t score_batch_tokens(const Compute& compute);

struct ScoreOptions {
  std::string stage = "scoring";  // what progress calls it
};

// [plans][groups][sequences of the group]. Groups of like length run together; rotary frequencies that depend on the
// sequence's length follow the longest of them. Throws Error(bad_input) for a sequence
// whose `scored` is out of range, with an id outside the model's vocabulary, or longer than the model's learned
// positions; Interrupted.
std::vector<std::vector<std::vector<SequenceScore>>> score_sequences(const Model& model, std::span<const Plan> plans,
                                                                     std::span<const SequenceGroup> groups,
                                                                     const ScoreOptions& options, Progress& progress);

}  // namespace sleb
