// Rotary position embedding.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"

namespace sleb {

// Cosines and sines of every token's position and every pair, of one of a model's kinds of rope.
class RopeTable {
 public:
  // Turns nothing.
  RopeTable() = default;

  // positions: int64 [tokens] or [batch, tokens]. `longest`: the length of the longest sequence so far, on which
  // dynamic and longrope scaling depend.
  RopeTable(const ModelSpec& spec, const RopeSpec& rope, const Compute& compute, const at::Tensor& positions,
            int64_t longest);

  // The same on another device.
  RopeTable on(at::Device device) const;

  // heads [batch, tokens, heads, head_dim], turned: on the CPU in place, on a GPU a new tensor.
  at::Tensor apply(const at::Tensor& heads) const;
  // Turned queries [batch, tokens, heads, head_dim], multiplied by what grows with their position, where the model has
  // such a factor.
  at::Tensor grown(const at::Tensor& queries) const;

  // Of a table of positions 0 to n, the row of one, for tokens that all stand there, or those of int64 [batch, tokens].
  RopeTable row(int64_t position) const;
  RopeTable rows(const at::Tensor& positions) const;

  // Undefined where nothing turns, or no query grows.
  const at::Tensor& cosines() const { return cos_; }
  const at::Tensor& sines() const { return sin_; }
  const at::Tensor& growth() const { return growth_; }

 private:
  at::Tensor cos_;     // [(batch,) tokens, 1, dims / 2]; on a GPU [..., head_dim]: twice, and 1 where nothing turns
  at::Tensor sin_;     // [(batch,) tokens, 1, dims / 2]
  at::Tensor growth_;  // [(batch,) tokens, 1, 1], undefined where queries do not grow
};

// The tables of all of a model's kinds of rope; none in a model whose positions are not rotary.
class RopeTables {
 public:
  RopeTables() = default;
  // As RopeTable's.
  RopeTables(const ModelSpec& spec, const Compute& compute, const at::Tensor& positions, int64_t longest);
  RopeTables on(at::Device device) const;
  RopeTables row(int64_t position) const;
  RopeTables rows(const at::Tensor& positions) const;
  // Of a kind of ModelSpec::block_ropes, -1 for none.
  const RopeTable& of(int64_t kind) const;

 private:
  std::vector<RopeTable> tables_;
};

// Both turn dimension i with i + dims / 2, as transformers does (rotate_half), and round alike; dimensions from `dims`
// on stay. cos and sin [(batch,) tokens, 1, dims / 2], of the second `wide_cos` [(batch,) tokens, 1, head_dim]. In
// place, which takes no memory beside half the heads:
void turn_in_place(const at::Tensor& heads, const at::Tensor& cos, const at::Tensor& sin);
// Into a new tensor, in three kernels instead of five, with a sixth less to read and write.
at::Tensor turned(const at::Tensor& heads, const at::Tensor& wide_cos, const at::Tensor& sin);

// Whether a position's angles depend on how long the sequence is (dynamic scaling, longrope).
bool rope_depends_on_length(const ModelSpec& spec);

// [dims / 2] angles per position, float32 (transformers, modeling_rope_utils.py). `max_positions` is the model's,
// `longest` as above.
at::Tensor rope_frequencies(const RopeSpec& rope, int64_t max_positions, int64_t longest);

}  // namespace sleb
