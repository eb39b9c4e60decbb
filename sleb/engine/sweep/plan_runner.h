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
#include "sleb/engine/plans/operations.h"
#include "sleb/engine/plans/schedule.h"

namespace sleb {

// Throws Error(bad_input), beginning with `source`, for an id outside the model's vocabulary.
void check_ids(const ModelSpec& spec, std::span<const int64_t> ids, std::string_view source);

using StepListener = std::function<void(const ScheduleStep&)>;

struct RunListener {
  std::function<void(const ScheduledState&)> reached = {};  // of each of schedule.observed, in its order
  StepListener done = {};                                   // of each step
};

// Takes `states`, [slots] of [batch, tokens, hidden] each, from the schedule's starts, which have to be there, to the
// last unit. A state's memory is overwritten only where the slot alone holds it.
void run_steps(const Decoder& decoder, const Schedule& schedule, std::vector<at::Tensor>& states,
               const AttentionContext& context, const RunListener& listener);

// The hidden states after the last unit, [batch, tokens, hidden] each. ids [batch * tokens]. Calls `done` after each
// step.
std::vector<at::Tensor> run_schedule(const Decoder& decoder, const Schedule& schedule, std::span<const int64_t> ids,
                                     const AttentionContext& context, const StepListener& done = {});

// The same of int64 [batch * tokens] on the first device.
std::vector<at::Tensor> run_schedule(const Decoder& decoder, const Schedule& schedule, const at::Tensor& ids,
                                     const AttentionContext& context, const StepListener& done = {});

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
