#include "sleb/engine/repair/repair.h"

#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/repair/changed_tensors.h"
#include "sleb/engine/repair/least_squares.h"
#include "sleb/engine/repair/mixture_fit.h"
#include "sleb/engine/repair/output_terms.h"
#include "sleb/engine/repair/repair_chunks.h"
#include "sleb/engine/repair/repair_steps.h"
#include "sleb/engine/sweep/hidden_states.h"
#include "sleb/engine/sweep/plan_runner.h"

namespace sleb {
namespace {

class Repairer {
 public:
  Repairer(const Model& model, const Corpus& text, const RepairOptions& options, Progress& progress)
      : decoder_(model.decoder()),
        spec_(model.spec()),
        checkpoint_(model.checkpoint()),
        text_(text),
        options_(options),
        chunks_(
            repair_chunks(text.segments, default_chunk_segments(spec_, model.compute(), text.seqlen, text.segments))),
        context_(spec_, model.compute(), text.seqlen),
        dense_(states_shape(), model.compute(), options.states_place, options.scratch),
        steps_(spec_, options.removal_list, text.seqlen),
        meter_(progress, "repairing", steps_.all(text.segments * text.seqlen)) {}

  Repair run() {
    embed();
    for (int64_t block = 0; block <= steps_.last_kept(); ++block) {
      if (block == steps_.first_cut()) begin_pruned();
      for (const Half half : {Half::attention, Half::mlp}) step({block, half});
    }
    result_.held_out_segments = held_out_segments(text_.segments);
    result_.fitted_segments = text_.segments - result_.held_out_segments;
    return std::move(result_);
  }

 private:
  void embed() {
    const std::vector<int64_t> order = computing_order(text_.segments);
    for (const RepairChunk& chunk : chunks_) {
      std::vector<int64_t> ids;
      for (int64_t i = chunk.begin; i < chunk.begin + chunk.segments; ++i) {
        const auto first = text_.ids.begin() + order[static_cast<size_t>(i)] * text_.seqlen;
        ids.insert(ids.end(), first, first + text_.seqlen);
      }
      dense_.segments(chunk.begin, chunk.segments).copy_(decoder_.embed(ids, context_));
    }
  }

  StatesShape states_shape() const { return {text_.segments, text_.seqlen, spec_.hidden_size}; }

  void begin_pruned() {
    pruned_.emplace(states_shape(), decoder_.compute(), options_.states_place, options_.scratch);
    pruned_->copy_from(dense_);
  }

  void step(Unit unit) {
    if (steps_.is_idle(unit)) return;
    if (steps_.is_fitted(unit)) return steps_.is_mixture(unit) ? fit_experts(unit) : fit(unit);
    for (const RepairChunk& chunk : chunks_) advance_dense(unit, chunk);
  }

  // The dense model's states after the unit, on its device.
  at::Tensor advance_dense(Unit unit, const RepairChunk& chunk) {
    check_interrupt();
    const at::Tensor stored = dense_.segments(chunk.begin, chunk.segments);
    at::Tensor states = stored;
    decoder_.apply_in_place(unit, states, context_);
    if (!stored.is_same(states)) stored.copy_(states);
    count(chunk, steps_.running(unit));
    return states;
  }

  // A unit's fit in the making.
  struct Fitting {
    Unit unit;
    OutputTerms terms;
    Moments fitted;
    Moments held_out;
  };

  void fit(Unit unit) {
    const int64_t inputs = steps_.columns(unit);
    const at::Device device = decoder_.device(unit.block);
    Fitting fitting{unit, OutputTerms(checkpoint_, unit, device), Moments(inputs, spec_.hidden_size, device),
                    Moments(inputs, spec_.hidden_size, device)};
    RelativeError fitted, held_out, fitted_after, held_out_after;
    for (const RepairChunk& chunk : chunks_) {
      const at::Tensor wanted = advance_dense(unit, chunk).to(at::kFloat);
      add(fitting, chunk, wanted, chunk.is_held_out ? held_out : fitted);
    }
    Change change = choose(fitting, held_out.value());
    meter_.add(steps_.solving(unit));
    const at::Tensor map = change.map.defined() ? change.map.to(scalar_type_of(decoder_.compute())) : change.map;
    for (const RepairChunk& chunk : chunks_) {
      advance_pruned(unit, chunk, map, chunk.is_held_out ? held_out_after : fitted_after);
    }
    result_.matrices.push_back(
        {unit, change.ridge, {fitted.value(), fitted_after.value()}, {held_out.value(), held_out_after.value()}});
    for (ChangedTensor& tensor : change.tensors) result_.tensors.push_back(std::move(tensor));
  }

  void fit_experts(Unit unit) {
    if (!experts_outputs_) {
      experts_outputs_.emplace(states_shape(), decoder_.compute(), options_.states_place, options_.scratch);
    }
    MixtureFit fit({decoder_, checkpoint_, options_, chunks_, text_.seqlen, dense_, *pruned_, *experts_outputs_}, unit);
    for (const RepairChunk& chunk : chunks_) {
      advance_dense(unit, chunk);
      fit.run(chunk);
      count(chunk, steps_.running(unit));
    }
    const double all = steps_.fitting_experts(unit, text_.segments * text_.seqlen);
    for (const size_t expert : fit.order()) {
      fit.fit(expert);
      meter_.add(all / static_cast<double>(fit.order().size()));
    }
    for (const RepairChunk& chunk : chunks_) fit.advance(chunk);
    result_.matrices.push_back(fit.result());
    for (ChangedTensor& tensor : fit.take_tensors()) result_.tensors.push_back(std::move(tensor));
  }

  // Of states that are not to be overwritten.
  std::pair<OutputProduct, at::Tensor> apply_to_copy(Unit unit, const RepairChunk& chunk,
                                                     const at::Tensor& change) const {
    at::Tensor states = pruned_->segments(chunk.begin, chunk.segments)
                            .to(decoder_.device(unit.block), /*non_blocking=*/false, /*copy=*/true);
    OutputProduct product = decoder_.apply_changed(unit, states, context_, change);
    return {std::move(product), states.to(at::kFloat)};
  }

  void add(Fitting& fitting, const RepairChunk& chunk, const at::Tensor& wanted, RelativeError& error) {
    const auto [product, states] = apply_to_copy(fitting.unit, chunk, {});
    error.add(states, wanted);
    const Sample sample = fitting.terms.sample(product, states, wanted, token_weights(wanted));
    const int64_t tokens = chunk.segments * (text_.seqlen - 1);
    (chunk.is_held_out ? fitting.held_out : fitting.fitted).add(sample.inputs, sample.lacking, tokens);
    count(chunk, steps_.running(fitting.unit) + steps_.summing(fitting.unit));
  }

  // Behind the unit with this change of its matrix, on the segments held out: where the state is linear in the matrix
  // the sums say it, else they have to be run.
  double held_out_error(const Fitting& fitting, const at::Tensor& change) const {
    if (fitting.terms.is_linear()) {
      const double square = fitting.held_out.error(change);
      return std::isfinite(square) ? std::sqrt(std::max(square, 0.0)) : square;
    }
    const at::Tensor map = change.to(scalar_type_of(decoder_.compute()));
    RelativeError error;
    for (const RepairChunk& chunk : chunks_) {
      if (!chunk.is_held_out) continue;
      check_interrupt();
      const at::Tensor wanted = dense_.segments(chunk.begin, chunk.segments).to(map.device()).to(at::kFloat);
      error.add(apply_to_copy(fitting.unit, chunk, map).second, wanted);
    }
    return error.value();
  }

  struct Change {
    at::Tensor map;  // float32 [hidden, in], rounded as it is going to be written; undefined: none
    std::optional<double> ridge;
    std::vector<ChangedTensor> tensors;
  };

  Change choose(const Fitting& fitting, double before) const {
    const auto best = best_fit(fitting.fitted, before,
                               [&](const Fit& fit) { return held_out_error(fitting, fitting.terms.change(fit)); });
    if (!best) return {};
    Change change = rounded(fitting.unit, fitting.terms.change(*best));
    // Rounding may take what the fit gave.
    if (!(held_out_error(fitting, change.map.to(at::kDouble)) < before)) return {};
    change.ridge = best->ridge;
    return change;
  }

  Change rounded(Unit unit, const at::Tensor& exact) const {
    Change change;
    std::vector<at::Tensor> parts;
    for (const OutputMatrix& part : output_matrices(spec_, unit)) {
      const at::Tensor own = exact.narrow(1, part.first_column, part.columns);
      const StoredType type = options_.type_of(part.stored.name);
      RoundedChange rounded = change_tensor(checkpoint_, part, own, type, options_.scratch);
      change.tensors.push_back(std::move(rounded.tensor));
      parts.push_back(std::move(rounded.change));
    }
    change.map = at::cat(parts, 1);
    return change;
  }

  void advance_pruned(Unit unit, const RepairChunk& chunk, const at::Tensor& change, RelativeError& error) const {
    check_interrupt();
    const at::Tensor stored = pruned_->segments(chunk.begin, chunk.segments);
    at::Tensor states = stored;
    decoder_.apply_changed(unit, states, context_, change);
    const at::Tensor wanted = dense_.segments(chunk.begin, chunk.segments).to(states.device());
    error.add(states.to(at::kFloat), wanted.to(at::kFloat));
    if (!stored.is_same(states)) stored.copy_(states);
    count(chunk, steps_.running(unit));
  }

  void count(const RepairChunk& chunk, double per_token) const {
    meter_.add(per_token * static_cast<double>(chunk.segments * text_.seqlen));
  }

  const Decoder& decoder_;
  const ModelSpec& spec_;
  const Checkpoint& checkpoint_;
  const Corpus& text_;
  const RepairOptions& options_;
  std::vector<RepairChunk> chunks_;
  AttentionContext context_;
  HiddenStates dense_;
  std::optional<HiddenStates> pruned_;           // from the first removed block on
  std::optional<HiddenStates> experts_outputs_;  // what a block's experts make of these, from the first mixture on
  RepairSteps steps_;
  Repair result_;
  mutable WorkMeter meter_;
};

}  // namespace

Repair repair(const Model& model, const Corpus& text, const RepairOptions& options, Progress& progress) try {
  const c10::InferenceMode guard;
  check_ids(model.spec(), text.ids, text.name);
  check_sequence_length(model.spec(), text.seqlen, text.name);
  Repair result = Repairer(model, text, options, progress).run();
  progress.end();
  return result;
} catch (const c10::Error& error) {
  device_failed("repairing", model.compute().device, error);
}

}  // namespace sleb
