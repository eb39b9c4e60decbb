// What this machine does, measured in an instant, without a model's weights.
#pragma once

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"

namespace sleb {

// Computes a little of everything that a model needs, so that code, threads and the matrix libraries' own memory are
// there: what the process has then is what it has beside a model.
void warm_up(const Compute& compute);

// Floating-point operations per second of matrix products in a model's shapes, random weights in the blocks' and in the
// head's (large matrices cut to 32 MB).
struct Rates {
  double blocks;
  double heads;
};
Rates probe_rates(const ModelSpec& spec, const Compute& compute);

}  // namespace sleb
