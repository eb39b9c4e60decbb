// One forward pass of what a plan keeps of a model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sleb/engine/model.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

enum class LogitRows { all, last };

// Logits of one sequence, float32, [ids.size(), vocabulary] or [1, vocabulary].
// Throws Error(bad_input) if an id is outside the model's vocabulary, or the sequence longer than its learned
// positions.
std::vector<float> compute_logits(const Model& model, const Plan& plan, std::span<const int64_t> ids, LogitRows rows);

// For timing: the same of `batch` sequences of one length, ids [batch * tokens], whose logits are computed in slices
// and not kept. Returns when the device is done.
void run_forward(const Model& model, const Plan& plan, std::span<const int64_t> ids, int64_t batch, LogitRows rows);

// Bytes that the states of `batch` sequences of `tokens` tokens take at most: the residual state beside one unit's
// input and widest output, and a slice of logits twice, as computed and in float32.
uint64_t working_bytes(const ModelSpec& spec, const Compute& compute, int64_t batch, int64_t tokens);

// Throws Error(failed) if, on the CPU, the memory that is free does not hold the states of `batch` sequences of
// `tokens` tokens, and `kept_bytes` beside them. (On a GPU the allocator says it itself.)
void check_memory(const Model& model, int64_t batch, int64_t tokens, uint64_t kept_bytes);

}  // namespace sleb
