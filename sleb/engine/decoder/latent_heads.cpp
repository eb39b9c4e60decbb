// transformers, modeling_deepseek_v3.py.
#include "sleb/engine/decoder/latent_heads.h"

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

Norm load_norm(const WeightLoader& weights, ModelSpec spec, int64_t block, Part part) {
  spec.norm_eps = latent_norm_eps;
  return {weights, spec, spec.part_name(block, part)};
}

}  // namespace

LatentHeads::LatentHeads(const WeightLoader& weights, const ModelSpec& spec, int64_t block)
    : spec_(spec.latent),
      num_heads_(spec.num_heads),
      query_(weights.fused(block, {Part::query})),
      latent_(weights.fused(block, {Part::latent})),
      latent_norm_(load_norm(weights, spec, block, Part::latent_norm)),
      key_value_(weights.fused(block, {Part::latent_key_value})) {
  if (spec_.query_size == 0) return;
  query_latent_.emplace(weights.fused(block, {Part::query_latent}));
  query_latent_norm_.emplace(load_norm(weights, spec, block, Part::query_latent_norm));
}

at::Tensor LatentHeads::queries(const at::Tensor& input) const {
  return query_(query_latent_ ? (*query_latent_norm_)((*query_latent_)(input)) : input);
}

at::Tensor LatentHeads::operator()(const at::Tensor& input) const {
  const int64_t batch = input.size(0), tokens = input.size(1);
  const int64_t plain = spec_.plain_dims, turned = spec_.turned_dims, values = spec_.value_dim;
  const at::Tensor heads = at::empty({batch, tokens, 3, num_heads_, plain + turned}, input.options());
  heads.select(2, 0).copy_(queries(input).view({batch, tokens, num_heads_, plain + turned}));
  const at::Tensor latent = latent_(input);
  const at::Tensor key_value =
      key_value_(latent_norm_(latent.narrow(-1, 0, spec_.size))).view({batch, tokens, num_heads_, plain + values});
  const at::Tensor key = heads.select(2, 1), value = heads.select(2, 2);
  key.narrow(-1, 0, turned).copy_(latent.narrow(-1, spec_.size, turned).unsqueeze(2));
  key.narrow(-1, turned, plain).copy_(key_value.narrow(-1, 0, plain));
  value.narrow(-1, 0, values).copy_(key_value.narrow(-1, plain, values));
  value.narrow(-1, values, plain + turned - values).zero_();
  return heads.flatten(2, 3);
}

}  // namespace sleb
