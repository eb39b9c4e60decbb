// How much is computed, and how much of it at once.
#pragma once

#include <cstdint>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/plans/schedule.h"

namespace sleb {

// Floating-point operations per token of one unit and of the head, in sequences of `tokens`; attention's part that
// grows with the sequence counts every pair below the diagonal.
double unit_operations(const ModelSpec& spec, Unit unit, int64_t tokens);
double head_operations(const ModelSpec& spec);
// Of a schedule's units and heads on one segment, of which `scored` tokens are scored.
struct Operations {
  double blocks;
  double heads;
};
Operations operations_of(const ModelSpec& spec, const Schedule& schedule, int64_t tokens, int64_t scored);

// Segments that are computed at once unless memory asks for fewer: matrix products run at full rate from so many rows
// on, and more only cost memory. (Not a share of what is free: it is part of what makes losses repeat to the bit.)
// Fewer where there would not be one such chunk for each of many processes.
int64_t default_chunk_segments(const ModelSpec& spec, const Compute& compute, int64_t seqlen, int64_t segments);

// An MLP's own activations are the widest tensors by far, and its rows don't depend on each other: on the CPU a block
// computes so many at once, enough for products to run at full rate.
constexpr int64_t mlp_rows_cpu = 512;

// Rows whose logits are computed at once.
int64_t head_slice_rows(const ModelSpec& spec, const Compute& compute);

}  // namespace sleb
