#include "sleb/engine/sweep/plan_runner.h"

#include <algorithm>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

std::vector<at::Tensor> run_from(const Decoder& decoder, const Schedule& schedule, at::Tensor embedded,
                                 const AttentionContext& context, const StepListener& done) {
  std::vector<at::Tensor> states(static_cast<size_t>(schedule.num_states));
  states[0] = std::move(embedded);
  run_steps(decoder, schedule, states, context, {.reached = {}, .done = done});
  return states;
}

}  // namespace

void check_ids(const ModelSpec& spec, std::span<const int64_t> ids, std::string_view source) {
  const int64_t size = spec.vocabulary_size;
  const auto outside = std::ranges::find_if(ids, [&](int64_t id) { return id < 0 || id >= size; });
  if (outside != ids.end()) {
    bad_input("{}: token id {} at position {} is outside the model's vocabulary of {}", source, *outside,
              outside - ids.begin(), size);
  }
}

void run_steps(const Decoder& decoder, const Schedule& schedule, std::vector<at::Tensor>& states,
               const AttentionContext& context, const RunListener& listener) {
  auto next = schedule.observed.begin();
  const auto tell_reached = [&](size_t step) {
    for (; next != schedule.observed.end() && next->step == step; ++next) {
      if (listener.reached) listener.reached(*next);
    }
  };
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    tell_reached(i);
    const ScheduleStep& step = schedule.steps[i];
    at::Tensor& source = states[static_cast<size_t>(step.source)];
    if (step.source == step.target && source.use_count() == 1) {
      decoder.apply_in_place(step.unit, source, context);
    } else {
      states[static_cast<size_t>(step.target)] = decoder.apply(step.unit, source, context);
    }
    if (listener.done) listener.done(step);
  }
  tell_reached(schedule.steps.size());
}

std::vector<at::Tensor> run_schedule(const Decoder& decoder, const Schedule& schedule, std::span<const int64_t> ids,
                                     const AttentionContext& context, const StepListener& done) {
  return run_from(decoder, schedule, decoder.embed(ids, context), context, done);
}

std::vector<at::Tensor> run_schedule(const Decoder& decoder, const Schedule& schedule, const at::Tensor& ids,
                                     const AttentionContext& context, const StepListener& done) {
  return run_from(decoder, schedule, decoder.embed(ids, context), context, done);
}

WorkMeter::WorkMeter(Progress& progress, const std::string& stage, double operations) : progress_(progress) {
  progress_.begin(stage, static_cast<uint64_t>(operations / 1e9), "GFLOP");
}

void WorkMeter::add(double operations) {
  done_ += operations / 1e9;
  const auto whole = static_cast<uint64_t>(done_);
  progress_.advance(whole - reported_);
  reported_ = whole;
}

}  // namespace sleb
