// How fast a model reads and writes, dense beside pruned.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/engine/sequences/forward.h"

namespace sleb {

enum class LatencyMode { generation, prompt };

// The SLEB reference's latency.py: random prompt ids; generation to a fixed length, greedy, or one forward pass.
struct LatencyOptions {
  LatencyMode mode = LatencyMode::generation;
  int64_t batch = 1;
  int64_t prompt_tokens = 0;          // of each sequence
  int64_t new_tokens = 0;             // generation: exactly so many
  LogitRows logits = LogitRows::all;  // prompt: of every position, as a forward pass in transformers, or the last
  int64_t repeats = 1;                // timed runs of each model
  int64_t warmups = 1;                // runs before them, not counted
  uint64_t seed = 0;                  // of the prompts' ids
};

struct Latency {
  std::vector<double> seconds;              // [repeats]
  std::vector<double> first_token_seconds;  // [repeats]; generation: until each sequence had its first token
};

struct LatencyComparison {
  std::vector<Latency> models;  // [plans]
  // The same without any block: embedding, final norm, head and sampling, which removing blocks does not make faster.
  Latency outside;
};

// Runs the plans in turn, `repeats` times, so that all see the same machine. Throws Error(bad_input) for lengths that
// the model can't do, Error(failed) if memory does not suffice; Interrupted.
LatencyComparison measure_latency(const Model& model, std::span<const Plan> plans, const LatencyOptions& options,
                                  Progress& progress);

double mean(std::span<const double> values);
// With n - 1; 0 for a single value.
double standard_deviation(std::span<const double> values);
double median(std::vector<double> values);

}  // namespace sleb
