#include "sleb/engine/decoder/decoder.h"

#include <utility>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/own_pages.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {
namespace {

at::Tensor load_embedding(const WeightLoader& weights, const ModelSpec& spec, const Compute& compute) {
  return compute.device == "cpu" ? at::Tensor() : weights.weight(spec.names.embedding);
}

Linear load_head(const WeightLoader& weights, const ModelSpec& spec, const at::Tensor& embedding) {
  std::optional<at::Tensor> bias;
  if (spec.head_bias) bias = weights.bias(spec.names.head);
  if (spec.tied_head && embedding.defined()) return {embedding, std::move(bias)};
  return weights.of_whole(spec.tied_head ? spec.names.embedding : spec.names.head, std::move(bias));
}

// In the compute type, as transformers' Gemma holds it.
double embedding_scale(const ModelSpec& spec, const Compute& compute) {
  return at::zeros({}, scalar_type_of(compute)).fill_(spec.embedding_scale).item<double>();
}

}  // namespace

Decoder::Decoder(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency, Progress& progress)
    : checkpoint_(&checkpoint),
      compute_(compute),
      embedding_scale_(embedding_scale(checkpoint.spec(), compute)),
      embedding_(load_embedding(WeightLoader(checkpoint, compute), checkpoint.spec(), compute)),
      head_(load_head(WeightLoader(checkpoint, compute), checkpoint.spec(), embedding_)),
      blocks_(checkpoint, compute, residency, progress) {
  const WeightLoader weights(checkpoint, compute);
  const TensorNames& names = spec().names;
  if (spec().position == PositionKind::learned) {
    positions_ = weights.weight(names.positions).narrow(0, spec().position_offset, spec().max_positions);
  }
  if (spec().embedding_norm) embedding_norm_ = Norm(weights, spec(), std::string(names.embedding_norm));
  if (spec().final_norm) final_norm_ = Norm(weights, spec(), std::string(names.final_norm));
  if (!spec().has_projections()) return;
  project_in_ = Linear(weights.weight(names.project_in), std::nullopt);
  project_out_ = Linear(weights.weight(names.project_out), std::nullopt);
}

at::Tensor Decoder::read_rows(std::span<const int64_t> ids) const {
  const std::string name = std::string(spec().names.embedding) + ".weight";
  at::Tensor rows = empty_on_own_pages({static_cast<int64_t>(ids.size()), spec().embedding_size}, at::kFloat);
  checkpoint_->read_rows(name, ids, {rows.mutable_data_ptr<float>(), static_cast<size_t>(rows.numel())});
  checkpoint_->release(name);
  if (compute_.dtype == "float32") return rows;
  return empty_on_own_pages(rows.sizes(), tensor_options(compute_)).copy_(rows);
}

at::Tensor Decoder::placed(const at::Tensor& rows, const AttentionContext& context) const {
  const int64_t tokens = context.tokens();
  at::Tensor hidden = rows.view({-1, tokens, spec().embedding_size});
  if (embedding_scale_ != 1) hidden.mul_(embedding_scale_);
  if (project_in_) hidden = (*project_in_)(hidden);
  if (positions_.defined()) {
    hidden =
        hidden.add(positions_.index_select(0, context.positions().flatten()).view({-1, tokens, spec().hidden_size}));
  }
  if (embedding_norm_) hidden = (*embedding_norm_)(hidden);
  return hidden;
}

at::Tensor Decoder::embed(std::span<const int64_t> ids, const AttentionContext& context) const {
  if (!embedding_.defined()) return placed(read_rows(ids), context);
  // from_blob takes no pointer to const; nothing writes through it.
  const at::Tensor given =
      at::from_blob(const_cast<int64_t*>(ids.data()), {static_cast<int64_t>(ids.size())}, at::kLong);
  return embed(given.to(embedding_.device()), context);
}

at::Tensor Decoder::embed(const at::Tensor& ids, const AttentionContext& context) const {
  if (embedding_.defined()) return placed(embedding_.index_select(0, ids), context);
  const at::Tensor given = ids.contiguous();
  return placed(read_rows({given.const_data_ptr<int64_t>(), static_cast<size_t>(given.numel())}), context);
}

at::Tensor Decoder::apply(Unit unit, const at::Tensor& hidden, const AttentionContext& context) const {
  const at::Device device = blocks_.device(unit.block);
  if (hidden.device() == device) {
    return blocks_.block(unit.block).apply(unit.half, hidden, context.on(device));
  }
  at::Tensor moved = hidden.to(device);
  apply_in_place(unit, moved, context);
  return moved;
}

void Decoder::apply_in_place(Unit unit, at::Tensor& hidden, const AttentionContext& context) const {
  const at::Device device = blocks_.device(unit.block);
  hidden = hidden.to(device);
  blocks_.block(unit.block).apply_in_place(unit.half, hidden, context.on(device));
}

OutputProduct Decoder::apply_changed(Unit unit, at::Tensor& hidden, const AttentionContext& context,
                                     const at::Tensor& change) const {
  const at::Device device = blocks_.device(unit.block);
  hidden = hidden.to(device);
  return blocks_.block(unit.block).apply_changed(unit.half, hidden, context.on(device), change);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  at::Tensor last = hidden.to(device_of(compute_));
  if (final_norm_) last = (*final_norm_)(last);
  if (project_out_) last = (*project_out_)(last);
  at::Tensor logits = head_(last);
  if (spec().logit_scale != 1) logits.mul_(spec().logit_scale);
  if (spec().logit_cap != 0) logits.div_(spec().logit_cap).tanh_().mul_(spec().logit_cap);
  return logits;
}

}  // namespace sleb
