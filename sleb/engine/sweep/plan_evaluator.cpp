#include "sleb/engine/sweep/plan_evaluator.h"

#include <algorithm>
#include <numeric>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/sweep/plan_runner.h"
#include "sleb/engine/sweep/shared_sweep.h"

namespace sleb {
namespace {

std::vector<int64_t> chunks_of(const PlanEvaluator& evaluator, const EvaluateOptions& options) {
  if (!options.chunks.empty()) return options.chunks;
  std::vector<int64_t> all(static_cast<size_t>(evaluator.num_chunks()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// How many of the chunks `known` covers.
size_t known_chunks(const Sweep& sweep, std::span<const int64_t> of_call, const std::vector<PlanLoss>& known,
                    size_t plans, bool divergence) {
  if (known.empty()) return 0;
  const auto count = static_cast<int64_t>(known[0].nll.size());
  const auto fits = [&](const PlanLoss& loss) {
    return static_cast<int64_t>(loss.nll.size()) == count &&
           static_cast<int64_t>(loss.divergence.size()) == (divergence ? count : 0);
  };
  size_t chunks = 0;
  int64_t blocks = 0;
  while (blocks < count && chunks < of_call.size()) blocks += sweep.blocks(of_call[chunks++]);
  if (known.size() != plans || blocks != count || !std::ranges::all_of(known, fits)) {
    bad_input("losses of {} plans on {} blocks don't continue with {} plans on {} chunks", known.size(), count, plans,
              of_call.size());
  }
  return chunks;
}

}  // namespace

struct PlanEvaluator::Past {
  KeptStates kept;
  double operations = 0;
};

double PlanLoss::total_nll() const {
  return std::accumulate(nll.begin(), nll.end(), 0.0);
}
double PlanLoss::total_divergence() const {
  return std::accumulate(divergence.begin(), divergence.end(), 0.0);
}

void PlanLoss::append(const PlanLoss& more) {
  nll.insert(nll.end(), more.nll.begin(), more.nll.end());
  divergence.insert(divergence.end(), more.divergence.begin(), more.divergence.end());
}

PlanEvaluator::PlanEvaluator(const Model& model, const Corpus& corpus, uint64_t state_memory, int64_t chunk_segments,
                             uint64_t host_state_memory)
    : model_(&model),
      corpus_(&corpus),
      chunk_segments_(chunk_segments > 0
                          ? std::min(chunk_segments, corpus.segments)
                          : default_chunk_segments(model.spec(), model.compute(), corpus.seqlen, corpus.segments)),
      past_(new Past{KeptStates(state_memory, host_state_memory)}) {
  check_ids(model.spec(), corpus.ids, corpus.name);
  check_sequence_length(model.spec(), corpus.seqlen, corpus.name);
}
PlanEvaluator::~PlanEvaluator() = default;
PlanEvaluator::PlanEvaluator(PlanEvaluator&&) noexcept = default;

int64_t PlanEvaluator::num_chunks() const {
  return (corpus_->segments + chunk_segments() - 1) / chunk_segments();
}

int64_t PlanEvaluator::blocks_per_segment(const EvaluateOptions& options) const {
  const int64_t scored = (options.tokens > 0 ? options.tokens : corpus_->seqlen) - corpus_->first_scored;
  return options.block_tokens > 0 ? (scored + options.block_tokens - 1) / options.block_tokens : 1;
}

std::vector<PlanLoss> PlanEvaluator::evaluate(std::span<const Plan> plans, const EvaluateOptions& options,
                                              Progress& progress) const try {
  const c10::InferenceMode guard;
  const std::vector<int64_t> chunks = chunks_of(*this, options);
  Sweep sweep(*this, plans, options, chunks, past_->kept);
  const size_t known = known_chunks(sweep, chunks, options.known, plans.size(), options.divergence);
  const auto operations = [&](size_t first, size_t last) {
    double sum = 0;
    for (size_t i = first; i < last; ++i) sum += sweep.operations(chunks[i]);
    return sum;
  };
  std::vector<PlanLoss> losses = options.known;
  losses.resize(plans.size());
  if (model_->compute().processes != nullptr) {
    SharedSweep shared(*this, plans, options, std::span(chunks).subspan(known), past_->kept,
                       *model_->compute().processes);
    WorkMeter meter(progress, options.stage, operations(0, known) + shared.operations());
    meter.add(operations(0, known));
    const auto wave_done = [&](double done) {
      past_->operations += done;
      if (options.chunk_done) options.chunk_done(losses);
    };
    try {
      shared.run(
          losses, [&](double done) { meter.add(done); }, wave_done);
    } catch (...) {
      // A chunk's end is not waited for: another process may be gone, and torchrun kills those that linger.
      if (options.chunk_done && interrupt_requested()) options.chunk_done(losses);
      throw;
    }
    progress.end();
    return losses;
  }
  WorkMeter meter(progress, options.stage, operations(0, chunks.size()));
  meter.add(operations(0, known));
  for (size_t i = known; i < chunks.size(); ++i) {
    check_interrupt();
    past_->operations += sweep.run(i, losses, [&](double done) {
      meter.add(done);
      if (!options.chunk_done) check_interrupt();
    });
    if (options.chunk_done) options.chunk_done(losses);
  }
  progress.end();
  return losses;
} catch (const c10::Error& error) {
  device_failed(options.stage, model_->compute().device, error);
}

double PlanEvaluator::operations() const {
  return past_->operations;
}

double PlanEvaluator::operations_alone(const Plan& plan) const {
  const ModelSpec& spec = model_->spec();
  const Schedule schedule = make_schedule(std::span(&plan, 1), spec.num_blocks);
  const Operations each = operations_of(spec, schedule, corpus_->seqlen, corpus_->scored());
  return static_cast<double>(corpus_->segments) * (each.blocks + each.heads);
}

}  // namespace sleb
