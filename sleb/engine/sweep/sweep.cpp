#include "sleb/engine/sweep/sweep.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/sweep/hidden_states.h"
#include "sleb/engine/sweep/plan_runner.h"

namespace sleb {
namespace {

void append_row(std::vector<double>& list, const at::Tensor& table, int64_t row) {
  const at::Tensor values = table.select(0, row).contiguous();
  list.insert(list.end(), values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
}

}  // namespace

Sweep::Sweep(const PlanEvaluator& evaluator, std::span<const Plan> plans, const EvaluateOptions& options,
             std::vector<int64_t> chunks, KeptStates& kept)
    : decoder_(evaluator.model().decoder()),
      corpus_(evaluator.corpus()),
      options_(options),
      kept_(kept),
      num_plans_(plans.size()),
      plans_(plans.begin(), plans.end()),
      tokens_(options.tokens > 0 ? options.tokens : corpus_.seqlen),
      block_tokens_(options.block_tokens > 0 ? options.block_tokens : tokens_),
      chunk_segments_(evaluator.chunk_segments()),
      chunks_(std::move(chunks)),
      context_(decoder_.spec(), decoder_.compute(), tokens_) {
  if (options.divergence && options.dense == nullptr) plans_.emplace_back();  // the dense model, to compare with
  resume_depths_ = resume_depths(plans_, options.likely, decoder_.spec().num_blocks);
}

int64_t Sweep::segments_of(int64_t chunk) const {
  return std::min(chunk_segments_, corpus_.segments - chunk * chunk_segments_);
}

int64_t Sweep::blocks(int64_t chunk) const {  // of each plan
  return segments_of(chunk) * ((scored() + block_tokens_ - 1) / block_tokens_);
}

std::vector<int64_t> Sweep::starts(int64_t chunk) const {
  std::vector<int64_t> starts;
  for (const Plan& plan : plans_) starts.push_back(kept_.deepest({chunk, tokens_}, plan));
  return starts;
}

double Sweep::operations(int64_t chunk) const {
  return operations(chunk, {0, num_plans_}, starts(chunk));
}

double Sweep::operations(int64_t chunk, PlanRange range, const std::vector<int64_t>& starts) const {
  if (range.size() == 0) return 0;
  const auto part = [&](const auto& all) {
    auto some =
        std::vector(all.begin() + static_cast<int64_t>(range.begin), all.begin() + static_cast<int64_t>(range.end));
    if (has_dense()) some.push_back(all.back());
    return some;
  };
  const auto num_blocks = decoder_.spec().num_blocks;
  return operations(chunk, make_schedule(part(plans_), num_blocks, {.starts = part(starts), .observed = {}}));
}

double Sweep::operations(int64_t chunk, const Schedule& schedule) const {
  Operations each = operations_of(decoder_.spec(), schedule, tokens_, scored());
  if (options_.dense != nullptr) each.heads += head_operations(decoder_.spec()) * static_cast<double>(scored());
  return static_cast<double>(segments_of(chunk)) * (each.blocks + each.heads);
}

double Sweep::run(size_t index, std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work) {
  const int64_t chunk = chunks_[index];
  const ChunkId id{chunk, tokens_};
  const std::vector<int64_t> depths = depths_to_keep(index);
  const Schedule schedule = make_schedule(plans_, decoder_.spec().num_blocks, {starts(chunk), depths});
  std::vector<int64_t> ids = ids_of(chunk);
  std::vector<at::Tensor> states(static_cast<size_t>(schedule.num_states));
  for (const ScheduledState& start : schedule.starts) {
    states[static_cast<size_t>(start.slot)] =
        start.depth == 0 ? decoder_.embed(ids, context_) : kept_.find(id, plans_[start.plan], start.depth);
  }
  kept_.forget_all_but(id, plans_, depths);
  const auto unit_work = [&](Unit unit) {
    return unit_operations(decoder_.spec(), unit, tokens_) * static_cast<double>(ids.size());
  };
  int64_t trimmed = 0;  // the last depth at which malloc gave back what it had
  const RunListener listener{.reached =
                                 [&](const ScheduledState& state) {
                                   keep(id, state, states[static_cast<size_t>(state.slot)]);
                                   // What is small of a kept state lies among the activations' memory; a hole that it
                                   // makes is filled, but what stood there before is not used again.
                                   if (std::exchange(trimmed, state.depth) != state.depth) give_back_freed();
                                 },
                             .done = [&](const ScheduleStep& step) { add_work(unit_work(step.unit)); }};
  run_steps(decoder_, schedule, states, context_, listener);
  give_back_freed();  // what blocks took and the head, in pieces of other sizes, would take again; and the reverse
  std::optional<size_t> dense;
  if (has_dense()) dense = static_cast<size_t>(schedule.final_states.back());
  if (options_.keep_dense != nullptr) stored(*options_.keep_dense, chunk).copy_(states[dense.value()]);
  if (options_.dense != nullptr) {
    dense = states.size();
    states.push_back(stored(*options_.dense, chunk));
  }
  append_losses(schedule, states, dense, ids, losses, add_work);
  give_back_freed();
  return operations(chunk, schedule);
}

void Sweep::forget(int64_t chunk) {
  kept_.forget_all_but({chunk, tokens_}, {}, {});
}

// A fair share of the memory that the chunks to come have, spent where it is likely to save most.
std::vector<int64_t> Sweep::depths_to_keep(size_t index) const {
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

void Sweep::keep(ChunkId chunk, const ScheduledState& place, const at::Tensor& state) {
  if (place.depth == last_depth() && !plans_[place.plan].bypassed().empty()) return;
  kept_.keep(chunk, plans_[place.plan], place.depth, state);
}

std::vector<int64_t> Sweep::ids_of(int64_t chunk) const {
  std::vector<int64_t> ids;
  const int64_t begin = chunk * chunk_segments_;
  for (int64_t segment = begin; segment < begin + segments_of(chunk); ++segment) {
    const auto first = corpus_.ids.begin() + segment * corpus_.seqlen;
    ids.insert(ids.end(), first, first + tokens_);
  }
  return ids;
}

at::Tensor Sweep::stored(const DenseStates& dense, int64_t chunk) const {
  return dense.states().segments(chunk * chunk_segments_, segments_of(chunk));
}

void Sweep::append_losses(const Schedule& schedule, const std::vector<at::Tensor>& states, std::optional<size_t> dense,
                          std::vector<int64_t>& ids, std::vector<PlanLoss>& losses,
                          const std::function<void(double)>& add_work) const {
  const at::Tensor id_table =
      upload(at::from_blob(ids.data(), {static_cast<int64_t>(ids.size()) / tokens_, tokens_}, at::kLong),
             device_of(decoder_.compute()));
  const HeadLosses chunk =
      head_losses(decoder_, states, {id_table, corpus_.first_scored, block_tokens_}, dense,
                  [&](int64_t rows) { add_work(head_operations(decoder_.spec()) * static_cast<double>(rows)); });
  const at::Tensor all_nll = chunk.nll.cpu();
  const at::Tensor all_divergence = dense ? chunk.divergence.cpu() : at::Tensor();
  for (size_t i = 0; i < num_plans_; ++i) {
    append_row(losses[i].nll, all_nll, schedule.final_states[i]);
    if (dense) append_row(losses[i].divergence, all_divergence, schedule.final_states[i]);
  }
}

}  // namespace sleb
