#include "sleb/engine/plan_evaluator.h"

#include <algorithm>
#include <numeric>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plan_runner.h"

namespace sleb {
namespace {

// Matrix products run at full rate from about this many rows on; more only cost memory. (A constant, not a share of
// what memory is free: the chunk's size is part of what makes losses repeat to the bit.)
constexpr int64_t chunk_tokens_cpu = 2048;
constexpr int64_t chunk_tokens_cuda = 16384;

double operations_per_segment(const ModelSpec& spec, const Schedule& schedule, const Corpus& corpus) {
  const auto heads = static_cast<double>(schedule.num_states * corpus.scored());
  double units = 0;
  for (const ScheduleStep& step : schedule.steps) units += unit_operations(spec, step.unit.half, corpus.seqlen);
  return units * static_cast<double>(corpus.seqlen) + heads * head_operations(spec);
}

std::vector<double> row_of(const at::Tensor& table, int64_t row) {
  const at::Tensor values = table.select(0, row).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

// How many segments `known` covers, a whole number of chunks.
int64_t known_segments(const std::vector<PlanLoss>& known, size_t plans, bool divergence, int64_t segments,
                       int64_t chunk) {
  if (known.empty()) return 0;
  const auto count = static_cast<int64_t>(known[0].nll.size());
  const auto fits = [&](const PlanLoss& loss) {
    return static_cast<int64_t>(loss.nll.size()) == count &&
           static_cast<int64_t>(loss.divergence.size()) == (divergence ? count : 0);
  };
  const bool whole = count == segments || (count < segments && count % chunk == 0);
  if (known.size() != plans || !whole || !std::ranges::all_of(known, fits)) {
    bad_input("losses of {} plans on {} segments don't continue with {} plans on {} segments, {} at a time",
              known.size(), count, plans, segments, chunk);
  }
  return count;
}

void append(std::vector<double>& list, const std::vector<double>& values) {
  list.insert(list.end(), values.begin(), values.end());
}

}  // namespace

double PlanLoss::total_nll() const {
  return std::accumulate(nll.begin(), nll.end(), 0.0);
}
double PlanLoss::total_divergence() const {
  return std::accumulate(divergence.begin(), divergence.end(), 0.0);
}

PlanEvaluator::PlanEvaluator(const Model& model, const Corpus& corpus) : model_(&model), corpus_(&corpus) {
  check_ids(model.spec(), corpus.ids, corpus.name);
  check_sequence_length(model.spec(), corpus.seqlen, corpus.name);
}

std::vector<PlanLoss> PlanEvaluator::evaluate(std::span<const Plan> plans, const EvaluateOptions& options,
                                              Progress& progress) const {
  const c10::InferenceMode guard;
  const Decoder& decoder = model_->decoder();
  const Compute& compute = model_->compute();
  std::vector<Plan> all(plans.begin(), plans.end());
  if (options.divergence) all.emplace_back();  // the dense model, to compare with
  const Schedule schedule = make_schedule(all, decoder.spec().num_blocks);
  const auto state_of = [&](size_t plan) { return static_cast<size_t>(schedule.final_states[plan]); };
  const auto dense = options.divergence ? std::optional(state_of(plans.size())) : std::nullopt;

  const int64_t tokens = corpus_->seqlen;
  const int64_t most_tokens = compute.device == "cpu" ? chunk_tokens_cpu : chunk_tokens_cuda;
  const int64_t chunk = std::clamp<int64_t>(most_tokens / tokens, 1, corpus_->segments);
  const AttentionContext context(decoder.spec(), compute, tokens);
  const double operations = operations_per_segment(decoder.spec(), schedule, *corpus_);
  WorkMeter meter(progress, options.stage, operations * static_cast<double>(corpus_->segments));
  std::vector<PlanLoss> losses = options.known;
  losses.resize(plans.size());
  const int64_t known = known_segments(options.known, plans.size(), options.divergence, corpus_->segments, chunk);
  meter.add(operations * static_cast<double>(known));
  const auto add_work = [&](double done) {
    meter.add(done);
    if (!options.chunk_done) check_interrupt();
  };
  for (int64_t begin = known; begin < corpus_->segments; begin += chunk) {
    check_interrupt();
    const int64_t count = std::min(chunk, corpus_->segments - begin);
    const auto chunk_ids =
        std::span(corpus_->ids).subspan(static_cast<size_t>(begin * tokens), static_cast<size_t>(count * tokens));
    const auto chunk_size = static_cast<double>(count * tokens);
    const auto states = run_schedule(decoder, schedule, chunk_ids, context, [&](const ScheduleStep& step) {
      add_work(unit_operations(decoder.spec(), step.unit.half, tokens) * chunk_size);
    });
    give_back_freed();  // what blocks took and the head, in blocks of other sizes, would take again
    const at::Tensor ids =
        at::from_blob(const_cast<int64_t*>(chunk_ids.data()), {count, tokens}, at::kLong).to(device_of(compute));
    const auto head_rows = static_cast<double>(schedule.num_states * count * corpus_->scored());
    const double head_step = head_operations(decoder.spec()) * head_rows /
                             static_cast<double>(head_steps(decoder, schedule.num_states, count, corpus_->scored()));
    const HeadLosses chunk_losses =
        head_losses(decoder, states, ids, corpus_->first_scored, dense, [&] { add_work(head_step); });
    const at::Tensor nll = chunk_losses.nll.cpu();
    const at::Tensor divergence = dense ? chunk_losses.divergence.cpu() : at::Tensor();
    for (size_t i = 0; i < plans.size(); ++i) {
      append(losses[i].nll, row_of(nll, schedule.final_states[i]));
      if (dense) append(losses[i].divergence, row_of(divergence, schedule.final_states[i]));
    }
    if (options.chunk_done) options.chunk_done(losses);
  }
  progress.end();
  return losses;
}

}  // namespace sleb
