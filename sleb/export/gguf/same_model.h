// Whether a GGUF's metadata say what a model is.
#pragma once

#include <string>
#include <vector>

#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// The model with these of its blocks, in order.
ModelSpec with_blocks(ModelSpec spec, const std::vector<int64_t>& kept);

// The first thing in which the computation that a file's reader would do (`read`) is not the model's: "the windows of
// its blocks"; "" if there is none. Numbers may differ as far as float32 rounds.
std::string difference(const ModelSpec& model, const ModelSpec& read);

// By how much rope_freqs or llama3 scaling divides each frequency, [dims / 2] (transformers, modeling_rope_utils.py).
// Empty for other kinds of rope.
std::vector<double> divisors_of(const RopeSpec& rope);

}  // namespace sleb
