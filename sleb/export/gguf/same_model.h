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

}  // namespace sleb
