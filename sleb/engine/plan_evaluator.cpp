#include "sleb/engine/plan_evaluator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/kept_states.h"
#include "sleb/engine/plan_runner.h"

namespace sleb {
namespace {

void append_row(std::vector<double>& list, const at::Tensor& table, int64_t row) {
  const at::Tensor values = table.select(0, row).contiguous();
  list.insert(list.end(), values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
}

// One call: plans over chunks.
class Sweep {
 public:
  Sweep(const PlanEvaluator& evaluator, std::span<const Plan> plans, const EvaluateOptions& options, KeptStates& kept)
      : decoder_(evaluator.model().decoder()),
        corpus_(evaluator.corpus()),
        options_(options),
        kept_(kept),
        num_plans_(plans.size()),
        plans_(plans.begin(), plans.end()),
        tokens_(options.tokens > 0 ? options.tokens : corpus_.seqlen),
        block_tokens_(options.block_tokens > 0 ? options.block_tokens : tokens_),
        chunk_segments_(evaluator.chunk_segments()),
        chunks_(options.chunks),
        context_(decoder_.spec(), decoder_.compute(), tokens_) {
    if (options.divergence) plans_.emplace_back();  // the dense model, to compare with
    if (chunks_.empty()) {
      chunks_.resize(static_cast<size_t>(evaluator.num_chunks()));
      std::iota(chunks_.begin(), chunks_.end(), 0);
    }
    resume_depths_ = resume_depths(plans_, options.likely, decoder_.spec().num_blocks);
  }

  const std::vector<int64_t>& chunks() const { return chunks_; }
  int64_t segments_of(int64_t chunk) const {
    return std::min(chunk_segments_, corpus_.segments - chunk * chunk_segments_);
  }
  int64_t blocks_per_segment() const { return (scored() + block_tokens_ - 1) / block_tokens_; }
  // Beyond what states that are kept save.
  double operations(int64_t chunk) const { return operations(chunk, schedule_of({chunk, tokens_}, {})); }

  // Appends the losses on the `index`-th chunk. `add_work` hears of operations; their sum is returned.
  double run(size_t index, std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work) {
    const int64_t chunk = chunks_[index];
    const ChunkId id{chunk, tokens_};
    const std::vector<int64_t> depths = depths_to_keep(index);
    const Schedule schedule = schedule_of(id, depths);
    std::vector<int64_t> ids = ids_of(chunk);
    std::vector<at::Tensor> states(static_cast<size_t>(schedule.num_states));
    for (const ScheduledState& start : schedule.starts) {
      states[static_cast<size_t>(start.slot)] =
          start.depth == 0 ? decoder_.embed(ids, context_) : kept_.find(id, plans_[start.plan], start.depth);
    }
    kept_.forget_all_but(id, plans_, depths);
    const auto unit_work = [&](Half half) {
      return unit_operations(decoder_.spec(), half, tokens_) * static_cast<double>(ids.size());
    };
    int64_t trimmed = 0;  // the last depth at which malloc gave back what it had
    const RunListener listener{.reached =
                                   [&](const ScheduledState& state) {
                                     keep(id, state, states[static_cast<size_t>(state.slot)]);
                                     // What is small of a kept state lies among the activations' memory; a hole that it
                                     // makes is filled, but what stood there before is not used again.
                                     if (std::exchange(trimmed, state.depth) != state.depth) give_back_freed();
                                   },
                               .done = [&](const ScheduleStep& step) { add_work(unit_work(step.unit.half)); }};
    run_steps(decoder_, schedule, states, context_, listener);
    give_back_freed();  // what blocks took and the head, in pieces of other sizes, would take again; and the reverse
    append_losses(schedule, states, ids, losses, add_work);
    give_back_freed();
    return operations(chunk, schedule);
  }

 private:
  Schedule schedule_of(const ChunkId& id, const std::vector<int64_t>& observed) const {
    ScheduleOptions places{.observed = observed};
    for (const Plan& plan : plans_) places.starts.push_back(kept_.deepest(id, plan));
    return make_schedule(plans_, decoder_.spec().num_blocks, places);
  }
  double operations(int64_t chunk, const Schedule& schedule) const {
    const Operations each = operations_of(decoder_.spec(), schedule, tokens_, scored());
    return static_cast<double>(segments_of(chunk)) * (each.blocks + each.heads);
  }
  int64_t scored() const { return tokens_ - corpus_.first_scored; }
  bool has_dense() const { return plans_.size() > num_plans_; }
  int64_t last_depth() const { return 2 * decoder_.spec().num_blocks; }

  // A fair share of the memory that the chunks to come have, spent where it is likely to save most.
  std::vector<int64_t> depths_to_keep(size_t index) const {
    if (options_.likely.empty() || kept_.limit() == 0) return {};
    uint64_t held = kept_.bytes();
    for (size_t i = index; i < chunks_.size(); ++i) held -= kept_.bytes_of({chunks_[i], tokens_});
    const uint64_t share = (kept_.limit() - held) / (chunks_.size() - index);
    const auto values = static_cast<uint64_t>(segments_of(chunks_[index]) * tokens_ * decoder_.spec().hidden_size);
    auto states = static_cast<int64_t>(share / (values * bytes_per_element(decoder_.compute())));
    const bool keeps_dense = has_dense() && states > 0;  // every later call needs it
    std::vector<int64_t> depths = choose_depths(resume_depths_, states - (keeps_dense ? 1 : 0));
    if (keeps_dense) depths.push_back(last_depth());
    return depths;
  }

  void keep(ChunkId chunk, const ScheduledState& place, const at::Tensor& state) {
    if (place.depth == last_depth() && !plans_[place.plan].bypassed().empty()) return;
    kept_.keep(chunk, plans_[place.plan], place.depth, state);
  }

  std::vector<int64_t> ids_of(int64_t chunk) const {
    std::vector<int64_t> ids;
    const int64_t begin = chunk * chunk_segments_;
    for (int64_t segment = begin; segment < begin + segments_of(chunk); ++segment) {
      const auto first = corpus_.ids.begin() + segment * corpus_.seqlen;
      ids.insert(ids.end(), first, first + tokens_);
    }
    return ids;
  }

  void append_losses(const Schedule& schedule, const std::vector<at::Tensor>& states, std::vector<int64_t>& ids,
                     std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work) const {
    const int64_t segments = static_cast<int64_t>(ids.size()) / tokens_;
    const at::Tensor id_table =
        at::from_blob(ids.data(), {segments, tokens_}, at::kLong).to(device_of(decoder_.compute()));
    const auto dense = has_dense() ? std::optional(static_cast<size_t>(schedule.final_states.back())) : std::nullopt;
    std::vector<at::Tensor> nll, divergence;  // [states, segments, 1] a block
    for (int64_t begin = corpus_.first_scored; begin < tokens_; begin += block_tokens_) {
      const int64_t count = std::min(block_tokens_, tokens_ - begin);
      // A token's distribution is computed at the position before it.
      std::vector<at::Tensor> parts;
      for (const at::Tensor& state : states) parts.push_back(state.narrow(1, begin - 1, count + 1));
      const double work =
          head_operations(decoder_.spec()) * static_cast<double>(schedule.num_states * segments * count);
      const auto steps = static_cast<double>(head_steps(decoder_, schedule.num_states, segments, count));
      const HeadLosses block = head_losses(decoder_, parts, id_table.narrow(1, begin - 1, count + 1), 1, dense,
                                           [&] { add_work(work / steps); });
      nll.push_back(block.nll.unsqueeze(2));
      if (dense) divergence.push_back(block.divergence.unsqueeze(2));
    }
    const at::Tensor all_nll = at::cat(nll, 2).cpu();
    const at::Tensor all_divergence = dense ? at::cat(divergence, 2).cpu() : at::Tensor();
    for (size_t i = 0; i < num_plans_; ++i) {
      append_row(losses[i].nll, all_nll, schedule.final_states[i]);
      if (dense) append_row(losses[i].divergence, all_divergence, schedule.final_states[i]);
    }
  }

  const Decoder& decoder_;
  const Corpus& corpus_;
  const EvaluateOptions& options_;
  KeptStates& kept_;
  size_t num_plans_;         // without the dense model
  std::vector<Plan> plans_;  // with it
  int64_t tokens_;
  int64_t block_tokens_;
  int64_t chunk_segments_;
  std::vector<int64_t> chunks_;
  AttentionContext context_;
  std::vector<ResumeDepth> resume_depths_;
};

// How many of the sweep's chunks `known` covers.
size_t known_chunks(const Sweep& sweep, const std::vector<PlanLoss>& known, size_t plans, bool divergence) {
  if (known.empty()) return 0;
  const auto count = static_cast<int64_t>(known[0].nll.size());
  const auto fits = [&](const PlanLoss& loss) {
    return static_cast<int64_t>(loss.nll.size()) == count &&
           static_cast<int64_t>(loss.divergence.size()) == (divergence ? count : 0);
  };
  size_t chunks = 0;
  int64_t blocks = 0;
  while (blocks < count && chunks < sweep.chunks().size()) {
    blocks += sweep.segments_of(sweep.chunks()[chunks++]) * sweep.blocks_per_segment();
  }
  if (known.size() != plans || blocks != count || !std::ranges::all_of(known, fits)) {
    bad_input("losses of {} plans on {} blocks don't continue with {} plans on {} chunks", known.size(), count, plans,
              sweep.chunks().size());
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

PlanEvaluator::PlanEvaluator(const Model& model, const Corpus& corpus, uint64_t state_memory, int64_t chunk_segments)
    : model_(&model),
      corpus_(&corpus),
      chunk_segments_(chunk_segments > 0 ? std::min(chunk_segments, corpus.segments)
                                         : usual_chunk_segments(model.compute(), corpus.seqlen, corpus.segments)),
      past_(new Past{KeptStates(state_memory)}) {
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
                                              Progress& progress) const {
  const c10::InferenceMode guard;
  Sweep sweep(*this, plans, options, past_->kept);
  const std::vector<int64_t>& chunks = sweep.chunks();
  const auto operations = [&](size_t first, size_t last) {
    double sum = 0;
    for (size_t i = first; i < last; ++i) sum += sweep.operations(chunks[i]);
    return sum;
  };
  const size_t known = known_chunks(sweep, options.known, plans.size(), options.divergence);
  WorkMeter meter(progress, options.stage, operations(0, chunks.size()));
  meter.add(operations(0, known));
  std::vector<PlanLoss> losses = options.known;
  losses.resize(plans.size());
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
