#include "sleb/repair/repair.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plans/operations.h"
#include "sleb/engine/sweep/plan_runner.h"
#include "sleb/repair/changed_tensors.h"
#include "sleb/repair/hidden_states.h"
#include "sleb/repair/least_squares.h"

namespace sleb {
namespace {

constexpr int64_t held_out_share = 8;  // one segment of so many
constexpr int64_t least_held_out = 2;
constexpr int64_t least_segments = 2 * least_held_out;

int64_t held_out_segments(int64_t segments) {
  return std::max(least_held_out, (segments + held_out_share / 2) / held_out_share);
}

// The text's segments in the order in which they are computed: those that are held out, spread evenly, come last.
std::vector<int64_t> computing_order(int64_t segments) {
  const int64_t count = held_out_segments(segments);
  std::vector<int64_t> fitted, held_out;
  for (int64_t i = 0; i < segments; ++i) {
    const bool is_held_out = (i + 1) * count / segments > i * count / segments;
    (is_held_out ? held_out : fitted).push_back(i);
  }
  fitted.insert(fitted.end(), held_out.begin(), held_out.end());
  return fitted;
}

// Segments that are computed at once, all fitted or all held out.
struct Chunk {
  int64_t begin;  // in the order of computing
  int64_t segments;
  bool is_held_out;
};

std::vector<Chunk> chunks_of(int64_t segments, int64_t at_once) {
  const int64_t fitted = segments - held_out_segments(segments);
  std::vector<Chunk> chunks;
  for (const auto& [from, to] : {std::pair(int64_t{0}, fitted), std::pair(fitted, segments)}) {
    for (int64_t begin = from; begin < to; begin += at_once) {
      chunks.push_back({begin, std::min(at_once, to - begin), from == fitted});
    }
  }
  return chunks;
}

// [batch, tokens, 1] in float32: 1 / |state|, and 0 for each segment's first token, whose norm may be a thousand times
// the others', and for a state of zeros.
at::Tensor token_weights(const at::Tensor& states) {
  const at::Tensor norms = at::linalg_vector_norm(states, 2, {-1}, /*keepdim=*/true);
  at::Tensor weights = norms.reciprocal().masked_fill_(norms.eq(0), 0);
  weights.narrow(1, 0, 1).zero_();
  return weights;
}

double inputs_of(const ModelSpec& spec, Unit unit) {
  double columns = 0;
  for (const OutputMatrix& matrix : output_matrices(spec, unit)) columns += static_cast<double>(matrix.columns);
  return columns;
}

class Repairer {
 public:
  Repairer(const Model& model, const Corpus& text, const RepairOptions& options, Progress& progress)
      : decoder_(model.decoder()),
        spec_(model.spec()),
        checkpoint_(model.checkpoint()),
        text_(text),
        options_(options),
        chunks_(chunks_of(text.segments, default_chunk_segments(spec_, model.compute(), text.seqlen, text.segments))),
        context_(spec_, model.compute(), text.seqlen),
        dense_({text.segments, text.seqlen, spec_.hidden_size}, model.compute(), states_place()),
        first_cut_(*std::ranges::min_element(options.removal_list)),
        meter_(progress, "repairing", operations()) {}

  Repair run() {
    embed();
    const int64_t last = last_kept();
    for (int64_t block = 0; block <= last; ++block) {
      if (block == first_cut_) begin_pruned();
      for (const Half half : {Half::attention, Half::mlp}) step({block, half});
    }
    result_.held_out_segments = held_out_segments(text_.segments);
    result_.fitted_segments = text_.segments - result_.held_out_segments;
    return std::move(result_);
  }

 private:
  std::optional<std::filesystem::path> states_place() const {
    return options_.states_on_disk ? std::optional(options_.scratch) : std::nullopt;
  }
  bool is_removed(int64_t block) const {
    return std::ranges::find(options_.removal_list, block) != options_.removal_list.end();
  }
  int64_t last_kept() const {
    int64_t block = spec_.num_blocks - 1;
    while (is_removed(block)) --block;
    return block;
  }
  bool is_fitted(Unit unit) const { return unit.block > first_cut_ && !is_removed(unit.block) && !is_idle(unit); }
  // Of a parallel residual the attention's unit does both halves' work.
  bool is_idle(Unit unit) const { return spec_.parallel_residual && unit.half == Half::mlp; }

  // Per token: the dense model, the pruned one twice, and the sums of products.
  double fit_operations(Unit unit) const {
    const double columns = inputs_of(spec_, unit);
    return 2 * unit_operations(spec_, unit.half, text_.seqlen) + columns * columns +
           2 * columns * static_cast<double>(spec_.hidden_size);
  }
  double operations() const {
    double sum = 0;
    for (int64_t block = 0; block <= last_kept(); ++block) {
      for (const Half half : {Half::attention, Half::mlp}) {
        sum += unit_operations(spec_, half, text_.seqlen);
        if (is_fitted({block, half})) sum += fit_operations({block, half});
      }
    }
    return sum * static_cast<double>(text_.ids.size());
  }

  void embed() {
    const std::vector<int64_t> order = computing_order(text_.segments);
    for (const Chunk& chunk : chunks_) {
      std::vector<int64_t> ids;
      for (int64_t i = chunk.begin; i < chunk.begin + chunk.segments; ++i) {
        const auto first = text_.ids.begin() + order[static_cast<size_t>(i)] * text_.seqlen;
        ids.insert(ids.end(), first, first + text_.seqlen);
      }
      dense_.segments(chunk.begin, chunk.segments).copy_(decoder_.embed(ids, context_));
    }
  }

  void begin_pruned() {
    pruned_.emplace(StatesShape{text_.segments, text_.seqlen, spec_.hidden_size}, decoder_.compute(), states_place());
    pruned_->copy_from(dense_);
  }

  void step(Unit unit) {
    if (is_idle(unit)) return;
    if (is_fitted(unit)) return fit(unit);
    for (const Chunk& chunk : chunks_) advance_dense(unit, chunk);
  }

  // The dense model's states after the unit, on its device.
  at::Tensor advance_dense(Unit unit, const Chunk& chunk) {
    check_interrupt();
    const at::Tensor stored = dense_.segments(chunk.begin, chunk.segments);
    at::Tensor states = stored;
    decoder_.apply_in_place(unit, states, context_);
    if (!stored.is_same(states)) stored.copy_(states);
    count(chunk, unit_operations(spec_, unit.half, text_.seqlen));
    return states;
  }

  void fit(Unit unit) {
    const auto inputs = static_cast<int64_t>(inputs_of(spec_, unit));
    const at::Device device = decoder_.device(unit.block);
    Moments fitted(inputs, spec_.hidden_size, device);
    Moments held_out(inputs, spec_.hidden_size, device);
    for (const Chunk& chunk : chunks_) {
      const at::Tensor target = advance_dense(unit, chunk);
      at::Tensor states =
          pruned_->segments(chunk.begin, chunk.segments).to(device, /*non_blocking=*/false, /*copy=*/true);
      const OutputProduct product = decoder_.apply_changed(unit, states, context_, {});
      add(chunk.is_held_out ? held_out : fitted, product.input, target, states);
      count(chunk, fit_operations(unit) - unit_operations(spec_, unit.half, text_.seqlen));
    }
    const at::Tensor change = choose(unit, fitted, held_out);
    for (const Chunk& chunk : chunks_) advance_pruned(unit, chunk, change);
  }

  void add(Moments& moments, const at::Tensor& input, const at::Tensor& target, const at::Tensor& states) const {
    const at::Tensor wanted = target.to(at::kFloat);
    const at::Tensor weights = token_weights(wanted);
    const at::Tensor lacking = wanted.sub(states).mul_(weights);
    const at::Tensor given = input.to(at::kFloat).mul(weights).mul_(spec_.residual_scale);
    moments.add(given.flatten(0, 1), lacking.flatten(0, 1), input.size(0) * (input.size(1) - 1));
  }

  struct Change {
    at::Tensor map;  // float32 [hidden, in]; undefined: none
    std::optional<double> ridge;
    std::vector<ChangedTensor> tensors;
  };

  // As it is going to be written.
  Change rounded(Unit unit, const std::optional<Fit>& fit) const {
    Change change;
    if (!fit) return change;
    std::vector<at::Tensor> parts;
    for (const OutputMatrix& part : output_matrices(spec_, unit)) {
      const at::Tensor own = fit->map.narrow(1, part.first_column, part.columns).cpu();
      const StoredType type = options_.type_of(part.stored.name);
      change.tensors.push_back(changed_tensor(checkpoint_, part, own, type, options_.scratch));
      parts.push_back(rounded_change(checkpoint_, part, change.tensors.back()));
    }
    change.map = at::cat(parts, 1).to(decoder_.device(unit.block));
    change.ridge = fit->ridge;
    return change;
  }

  // In the compute type, [hidden, in]; undefined where nothing helps.
  at::Tensor choose(Unit unit, const Moments& fitted, const Moments& held_out) {
    Change change = rounded(unit, best_fit(fitted, held_out));
    const auto error = [](const Moments& moments, const at::Tensor& map) {
      return std::sqrt(std::max(moments.error(map.defined() ? map.to(at::kDouble) : map), 0.0));
    };
    // Rounding may take what the fit gave.
    if (!(error(held_out, change.map) < error(held_out, {}))) change = {};
    const auto errors = [&](const Moments& moments) {
      return StateError{error(moments, {}), error(moments, change.map)};
    };
    result_.matrices.push_back({unit, change.ridge, errors(fitted), errors(held_out)});
    for (ChangedTensor& tensor : change.tensors) result_.tensors.push_back(std::move(tensor));
    return change.map.defined() ? change.map.to(scalar_type_of(decoder_.compute())) : change.map;
  }

  void advance_pruned(Unit unit, const Chunk& chunk, const at::Tensor& change) {
    check_interrupt();
    const at::Tensor stored = pruned_->segments(chunk.begin, chunk.segments);
    at::Tensor states = stored;
    decoder_.apply_changed(unit, states, context_, change);
    if (!stored.is_same(states)) stored.copy_(states);
    count(chunk, unit_operations(spec_, unit.half, text_.seqlen));
  }

  void count(const Chunk& chunk, double per_token) {
    meter_.add(per_token * static_cast<double>(chunk.segments * text_.seqlen));
  }

  const Decoder& decoder_;
  const ModelSpec& spec_;
  const Checkpoint& checkpoint_;
  const Corpus& text_;
  const RepairOptions& options_;
  std::vector<Chunk> chunks_;
  AttentionContext context_;
  HiddenStates dense_;
  std::optional<HiddenStates> pruned_;  // from the first removed block on
  int64_t first_cut_;
  Repair result_;
  WorkMeter meter_;
};

}  // namespace

void Repair::apply_to(Checkpoint& checkpoint) const {
  for (const ChangedTensor& tensor : tensors) checkpoint.replace(tensor.name, tensor.type, tensor.data.bytes());
}

int64_t widest_fit(const ModelSpec& spec) {
  const int64_t mixed = spec.part_shape(Part::attention_output)[1];
  const int64_t inner = spec.part_shape(Part::down)[1];
  return spec.parallel_residual ? mixed + inner : std::max(mixed, inner);
}

int64_t default_repair_tokens(const ModelSpec& spec) {
  return 40 * widest_fit(spec);
}

int64_t least_repair_tokens(const ModelSpec& spec) {
  return 4 * widest_fit(spec);
}

void check_repairable(const Checkpoint& checkpoint, const RepairOptions& options, const std::string& label) {
  const ModelSpec& spec = checkpoint.spec();
  if (spec.norm_placement != NormPlacement::before && spec.norm_placement != NormPlacement::first) {
    bad_input("{}: repair is for models whose blocks add what they write as it is; a {} norms it", label, spec.family);
  }
  if (options.removal_list.empty()) bad_input("{}: nothing is removed, so there is nothing to repair", label);
  const int64_t first = *std::ranges::min_element(options.removal_list);
  if (first + static_cast<int64_t>(options.removal_list.size()) == spec.num_blocks) {
    bad_input("{}: no block is kept behind block {}, the first that is removed: there is nothing to repair", label,
              first);
  }
  const auto type = options.type_of(output_matrices(spec, {0, Half::mlp})[0].stored.name);
  if (type != StoredType::f32 && type != StoredType::f16 && type != StoredType::bf16) {
    bad_input(
        "{}: its weights stay {} in the output, and a repaired matrix does not fit that; give --out-dtype bfloat16",
        label, name_of(type));
  }
}

void check_repair_text(const ModelSpec& spec, const Corpus& text) {
  const int64_t tokens = text.segments * text.seqlen;
  if (tokens < least_repair_tokens(spec)) {
    bad_input("--repair-tokens {}: too few for matrices of {} columns; at least {} would do", tokens, widest_fit(spec),
              least_repair_tokens(spec));
  }
  if (text.segments < least_segments) {
    bad_input(
        "--repair-tokens {}: {} segments of {} tokens; repair needs at least {} segments, of which it holds out {}",
        tokens, text.segments, text.seqlen, least_segments, least_held_out);
  }
}

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
