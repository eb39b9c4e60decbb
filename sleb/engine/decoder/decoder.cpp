#include "sleb/engine/decoder/decoder.h"

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {
namespace {

std::vector<Block> load_blocks(const Checkpoint& checkpoint, const Compute& compute, Progress& progress) {
  const WeightLoader weights(checkpoint, compute);
  const ModelSpec& spec = checkpoint.spec();
  std::vector<Block> blocks;
  blocks.reserve(static_cast<size_t>(spec.num_blocks));
  progress.begin("loading", static_cast<uint64_t>(spec.num_blocks), "blocks");
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    check_interrupt();
    blocks.emplace_back(weights, spec, block);
    progress.advance(1);
  }
  progress.end();
  return blocks;
}

}  // namespace

Decoder::Decoder(const Checkpoint& checkpoint, const Compute& compute, Progress& progress)
    : checkpoint_(&checkpoint),
      compute_(compute),
      blocks_(load_blocks(checkpoint, compute, progress)),
      final_norm_(WeightLoader(checkpoint, compute).weight(std::string(spec().names->final_norm)), spec().norm_eps),
      head_(WeightLoader(checkpoint, compute)
                .weight(std::string(spec().tied_head ? spec().names->embedding : spec().names->head)),
            std::nullopt) {}

at::Tensor Decoder::embed(std::span<const int64_t> ids, int64_t tokens) const {
  at::Tensor rows = at::empty({static_cast<int64_t>(ids.size()) / tokens, tokens, spec().hidden_size}, at::kFloat);
  checkpoint_->read_rows(std::string(spec().names->embedding) + ".weight", ids,
                         {rows.mutable_data_ptr<float>(), static_cast<size_t>(rows.numel())});
  return rows.to(tensor_options(compute_));
}

at::Tensor Decoder::output_of(Unit unit, const at::Tensor& hidden, const RopeTable& rope) const {
  const Block& block = blocks_[static_cast<size_t>(unit.block)];
  return unit.half == Half::attention ? block.attention(hidden, rope) : block.mlp(hidden);
}

at::Tensor Decoder::apply(Unit unit, const at::Tensor& hidden, const RopeTable& rope) const {
  return output_of(unit, hidden, rope).add_(hidden);
}

void Decoder::apply_in_place(Unit unit, at::Tensor& hidden, const RopeTable& rope) const {
  hidden.add_(output_of(unit, hidden, rope));
}

}  // namespace sleb
