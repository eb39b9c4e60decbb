#include "sleb/engine/decoder/decoder.h"

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/own_pages.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {
namespace {

Linear load_head(const WeightLoader& weights, const ModelSpec& spec) {
  return {weights.weight(spec.tied_head ? spec.names->embedding : spec.names->head), std::nullopt};
}

}  // namespace

Decoder::Decoder(const Checkpoint& checkpoint, const Compute& compute, const Residency& residency, Progress& progress)
    : checkpoint_(&checkpoint),
      compute_(compute),
      head_(load_head(WeightLoader(checkpoint, compute), checkpoint.spec())),
      blocks_(checkpoint, compute, residency, progress) {
  const WeightLoader weights(checkpoint, compute);
  const TensorNames& names = *spec().names;
  if (spec().position == PositionKind::learned) {
    positions_ = weights.weight(names.positions).narrow(0, spec().position_offset, spec().max_positions);
  }
  if (spec().final_norm) final_norm_ = Norm(weights, spec(), std::string(names.final_norm));
  if (!spec().has_projections()) return;
  project_in_ = Linear(weights.weight(names.project_in), std::nullopt);
  project_out_ = Linear(weights.weight(names.project_out), std::nullopt);
}

at::Tensor Decoder::embed(std::span<const int64_t> ids, const AttentionContext& context) const {
  const int64_t tokens = context.tokens();
  at::Tensor rows =
      empty_on_own_pages({static_cast<int64_t>(ids.size()) / tokens, tokens, spec().embedding_size}, at::kFloat);
  checkpoint_->read_rows(std::string(spec().names->embedding) + ".weight", ids,
                         {rows.mutable_data_ptr<float>(), static_cast<size_t>(rows.numel())});
  checkpoint_->release(std::string(spec().names->embedding) + ".weight");
  const bool as_read = compute_.dtype == "float32" && device_of(compute_).is_cpu();
  at::Tensor hidden = as_read ? rows : empty_on_own_pages(rows.sizes(), tensor_options(compute_)).copy_(rows);
  if (project_in_) hidden = (*project_in_)(hidden);
  if (positions_.defined()) {
    hidden =
        hidden.add(positions_.index_select(0, context.positions().flatten()).view({-1, tokens, spec().hidden_size}));
  }
  return hidden;
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

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  at::Tensor last = hidden.to(device_of(compute_));
  if (final_norm_) last = (*final_norm_)(last);
  if (project_out_) last = (*project_out_)(last);
  return head_(last);
}

}  // namespace sleb
