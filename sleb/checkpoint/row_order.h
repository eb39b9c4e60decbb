// From the order in which a file holds the rows of projections to the one in which the engine computes: all queries,
// all keys, all values, and of a head the two dimensions of a pair that rope turns half its turning dimensions apart.
// Scores are sums over a head's dimensions, so queries and keys may be reordered together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// For each row of `parts`, one below the other, its row in their stored tensors, one below the other
// (ModelSpec::stored_weights). Empty where the order is the same. Of latent attention one part at a time.
std::vector<int64_t> stored_rows(const ModelSpec& spec, std::span<const Part> parts);

// Likewise for the dimensions of one head of queries and keys, [head_dim].
std::vector<int64_t> stored_dimensions(const ModelSpec& spec);

}  // namespace sleb
