// What evaluating, scoring and generating have in common: running a schedule's units, and counting the work. Inside the
// engine only.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/model.h"
#include "sleb/engine/schedule.h"

namespace sleb {

// Throws Error(bad_input), beginning with `source`, for an id outside the model's vocabulary.
void check_ids(const ModelSpec& spec, std::span<const int64_t> ids, std::string_view source);

using StepListener = std::function<void(const ScheduleStep&)>;

// The hidden states after the last unit, [batch, tokens, hidden] each. ids [batch * tokens]. Calls `done` after each
// step.
std::vector<at::Tensor> run_schedule(const Decoder& decoder, const Schedule& schedule, std::span<const int64_t> ids,
                                     const AttentionContext& context, const StepListener& done = {});

// Floating-point operations per token of one unit and of the head, in sequences of `tokens`; attention's part that
// grows with the sequence counts every pair below the diagonal.
double unit_operations(const ModelSpec& spec, Half half, int64_t tokens);
double head_operations(const ModelSpec& spec);

// Counts operations and reports them in whole GFLOP.
class WorkMeter {
 public:
  WorkMeter(Progress& progress, const std::string& stage, double operations);
  void add(double operations);

 private:
  Progress& progress_;
  double done_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace sleb
