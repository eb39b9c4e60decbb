// What this machine does with a model, measured in an instant.
#pragma once

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"

namespace sleb {

// Computes a little of everything that a model needs, so that code, threads and the matrix libraries' own memory are
// there: what the process has then is what it has beside a model.
void warm_up(const Compute& compute);

// Floating-point operations per second, as operations_of counts them.
struct Rates {
  double blocks;  // in blocks, with norms, activations and whatever else stands between the matrix products
  double heads;   // in the head, with the losses
};
struct ProbedText {
  int64_t segments;  // at a time
  int64_t seqlen;
};
// Of random hidden states of such a text, or of fewer where one block takes long. Loads the first block and the head.
// Throws what loading throws.
Rates probe_rates(const Checkpoint& checkpoint, const Compute& compute, const ProbedText& text);

// Seconds for one more token of each of `batch` texts, short ones, all blocks resident: of the first block's, times the
// number of blocks, and the head's. Loads these. Throws what loading throws.
double probe_token_seconds(const Checkpoint& checkpoint, const Compute& compute, int64_t batch);

}  // namespace sleb
