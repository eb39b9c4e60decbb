#include "sleb/engine/repair/mixture_fit.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <numeric>
#include <utility>

#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/repair/changed_tensors.h"

namespace sleb {
namespace {

// What a matrix's change adds to the mixture's output, [rows, hidden].
at::Tensor added(const at::Tensor& inner, const at::Tensor& weights, const at::Tensor& map) {
  return at::mm(inner, map.t()).mul_(weights);
}

}  // namespace

MixtureFit::MixtureFit(const Ground& ground, Unit unit)
    : ground_(ground),
      unit_(unit),
      device_(ground.decoder.device(unit.block)),
      type_(scalar_type_of(ground.decoder.compute())),
      terms_(ground.checkpoint, unit, device_) {
  const ExpertSpec& experts = ground_.checkpoint.spec().experts;
  const bool has_shared = experts.shared_size > 0;
  const auto count = static_cast<size_t>(experts.count);
  order_.resize(count);
  std::iota(order_.begin(), order_.end(), size_t{0});
  if (has_shared) order_.insert(order_.begin(), count);
  fitted_tokens_.resize(order_.size());
  record_.least_tokens = least_expert_tokens(ground_.checkpoint.spec());
  record_.ridges.resize(count);
  if (has_shared) record_.shared_ridge.emplace();
}

bool MixtureFit::is_for_all(size_t expert) const {
  return static_cast<int64_t>(expert) == ground_.checkpoint.spec().experts.count;
}

int64_t MixtureFit::columns(size_t expert) const {
  const ExpertSpec& experts = ground_.checkpoint.spec().experts;
  return is_for_all(expert) ? experts.shared_size : experts.size;
}

at::Tensor MixtureFit::select(const HiddenStates& states, size_t chunk, const at::Tensor& rows) const {
  const RepairChunk& own = ground_.chunks[chunk];
  const at::Tensor all = states.segments(own.begin, own.segments).flatten(0, 1);
  return all.index_select(0, rows.to(all.device())).to(device_);
}

MixtureFit::Work MixtureFit::work_of(size_t expert, size_t chunk) const {
  const ExpertRows& own = rows(expert, chunk);
  at::Tensor states = select(ground_.pruned, chunk, own.rows);
  at::Tensor inner = block().expert_inner(expert, states);
  return {std::move(inner), own.weights, std::move(states)};
}

at::Tensor MixtureFit::behind(const at::Tensor& states, const at::Tensor& output) const {
  const at::Tensor result = states.clone();
  block().add_mixture(result, output);
  return result.to(at::kFloat);
}

at::Tensor MixtureFit::weights_of_tokens(const at::Tensor& wanted, const at::Tensor& rows) const {
  return state_weights(wanted).mul_(rows.remainder(ground_.seqlen).ne(0).unsqueeze(1));
}

void MixtureFit::run(const RepairChunk& chunk) {
  const at::Tensor states = ground_.pruned.segments(chunk.begin, chunk.segments).to(device_);
  MixtureOutput made = block().run_mixture(states);
  ground_.outputs.segments(chunk.begin, chunk.segments).copy_(made.output);
  const at::Tensor wanted = ground_.dense.segments(chunk.begin, chunk.segments).to(device_).to(at::kFloat);
  (chunk.is_held_out ? held_out_ : fitted_).add(behind(states, made.output), wanted);
  std::vector<int64_t> tokens;
  for (size_t expert = 0; expert < made.experts.size(); ++expert) {
    tokens.push_back(made.experts[expert].rows.remainder(ground_.seqlen).ne(0).sum().item<int64_t>());
    if (!chunk.is_held_out) fitted_tokens_[expert] += tokens.back();
  }
  tokens_.push_back(std::move(tokens));
  experts_.push_back(std::move(made.experts));
}

void MixtureFit::add(Sums& sums, size_t chunk) const {
  const at::Tensor& own = rows(sums.expert, chunk).rows;
  const Work work = work_of(sums.expert, chunk);
  const at::Tensor output = select(ground_.outputs, chunk, own);
  const at::Tensor wanted = select(ground_.dense, chunk, own).to(at::kFloat);
  const OutputProduct product{work.inner.to(at::kFloat).mul(work.weights), output};
  const Sample sample = terms_.sample(product, behind(work.states, output), wanted, weights_of_tokens(wanted, own));
  Moments& moments = ground_.chunks[chunk].is_held_out ? sums.held_out : sums.fitted;
  moments.add(sample.inputs, sample.lacking, tokens_[chunk][sums.expert]);
}

double MixtureFit::error_in(size_t expert, size_t chunk, const at::Tensor& map) const {
  const at::Tensor& own = rows(expert, chunk).rows;
  const Work work = work_of(expert, chunk);
  const at::Tensor output = select(ground_.outputs, chunk, own);
  if (map.defined()) output.add_(added(work.inner, work.weights, map));
  const at::Tensor wanted = select(ground_.dense, chunk, own).to(at::kFloat);
  const at::Tensor weights = weights_of_tokens(wanted, own);
  return wanted.sub(behind(work.states, output)).mul_(weights).square_().sum(at::kDouble).item<double>();
}

double MixtureFit::error(const Sums& sums, const at::Tensor& change, bool is_held_out) const {
  // Where the state is linear in the matrix the sums say it, else it has to be run.
  if (terms_.is_linear()) return (is_held_out ? sums.held_out : sums.fitted).error(change);
  const at::Tensor map = change.defined() ? change.to(type_) : change;
  double sum = 0;
  for (size_t chunk = 0; chunk < ground_.chunks.size(); ++chunk) {
    if (ground_.chunks[chunk].is_held_out != is_held_out || is_idle(sums.expert, chunk)) continue;
    check_interrupt();
    sum += error_in(sums.expert, chunk, map);
  }
  return sum;
}

void MixtureFit::apply(size_t expert, const at::Tensor& map) const {
  for (size_t chunk = 0; chunk < ground_.chunks.size(); ++chunk) {
    if (is_idle(expert, chunk)) continue;
    check_interrupt();
    const Work work = work_of(expert, chunk);
    const RepairChunk& own = ground_.chunks[chunk];
    const at::Tensor all = ground_.outputs.segments(own.begin, own.segments).flatten(0, 1);
    all.index_add_(0, rows(expert, chunk).rows.to(all.device()), added(work.inner, work.weights, map).to(all.device()));
  }
}

void MixtureFit::fit(size_t expert) {
  const ModelSpec& spec = ground_.checkpoint.spec();
  if (!is_for_all(expert) && fitted_tokens_[expert] < record_.least_tokens) {
    record_.left.push_back(static_cast<int64_t>(expert));
    return;
  }
  Sums sums{expert, Moments(columns(expert), spec.hidden_size, device_),
            Moments(columns(expert), spec.hidden_size, device_)};
  for (size_t chunk = 0; chunk < ground_.chunks.size(); ++chunk) {
    if (is_idle(expert, chunk)) continue;
    check_interrupt();
    add(sums, chunk);
  }
  const double fitted = error(sums, {}, /*is_held_out=*/false);
  const double held_out = error(sums, {}, /*is_held_out=*/true);
  const auto best =
      best_fit(sums.fitted, held_out, [&](const Fit& fit) { return error(sums, terms_.change(fit), true); });
  if (!best) return;
  const OutputMatrix matrix = expert_matrix(spec, unit_.block, static_cast<int64_t>(expert));
  RoundedChange rounded = change_tensor(ground_.checkpoint, matrix, terms_.change(*best),
                                        ground_.options.type_of(matrix.stored.name), ground_.options.scratch);
  // Rounding may take what the fit gave; and where the state is not linear in the matrix, the fit is of an
  // approximation.
  const at::Tensor exact = rounded.change.to(at::kDouble);
  if (!(error(sums, exact, true) < held_out) || !(error(sums, exact, false) <= fitted)) return;
  apply(expert, rounded.change.to(type_));
  (is_for_all(expert) ? *record_.shared_ridge : record_.ridges[expert]) = best->ridge;
  if (matrix.place_in_stack) {
    in_stack_.emplace(*matrix.place_in_stack, std::move(rounded.tensor));
  } else {
    tensors_.push_back(std::move(rounded.tensor));
  }
}

std::vector<ChangedTensor> MixtureFit::take_tensors() {
  if (!in_stack_.empty()) tensors_.push_back(changed_stack(ground_.checkpoint, in_stack_, ground_.options.scratch));
  in_stack_.clear();
  return std::move(tensors_);
}

void MixtureFit::advance(const RepairChunk& chunk) {
  const at::Tensor stored = ground_.pruned.segments(chunk.begin, chunk.segments);
  const at::Tensor states = stored.to(device_);
  block().add_mixture(states, ground_.outputs.segments(chunk.begin, chunk.segments).to(device_));
  const at::Tensor wanted = ground_.dense.segments(chunk.begin, chunk.segments).to(device_).to(at::kFloat);
  (chunk.is_held_out ? held_out_after_ : fitted_after_).add(states.to(at::kFloat), wanted);
  if (!stored.is_same(states)) stored.copy_(states);
}

RepairedMatrix MixtureFit::result() const {
  return {unit_, {}, {fitted_.value(), fitted_after_.value()}, {held_out_.value(), held_out_after_.value()}, record_};
}

}  // namespace sleb
