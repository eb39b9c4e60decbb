// From last hidden states to losses, in slices: the [tokens, vocabulary] matrix of a segment is never whole.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <vector>

#include "sleb/engine/decoder/decoder.h"

namespace sleb {

// Which tokens of a chunk are scored, and the blocks in which their losses are summed.
struct ScoredTokens {
  at::Tensor ids;            // [segments, tokens], where the logits are
  int64_t first_scored = 1;  // of a segment's tokens, at least 1; logits are computed for no tokens before
  int64_t block_tokens = 1;  // scored tokens of a block; the last of a segment may have fewer

  int64_t per_segment() const { return ids.size(1) - first_scored; }
  int64_t blocks() const { return (per_segment() + block_tokens - 1) / block_tokens; }  // of a segment
};

struct HeadLosses {
  at::Tensor nll;         // [states, segments, blocks] float64: sum over a block's tokens, nats
  at::Tensor divergence;  // the same shape; undefined unless asked for
};

// Hears how many rows of logits have been computed, or on CUDA begun, since the last call.
using RowsDone = std::function<void(int64_t)>;

// states: [segments, tokens, hidden] each, wherever they are. With `dense` (one of the states' indices), also
// KL(dense || state) between the distributions that the scored tokens are drawn from. Nothing is waited for on CUDA.
HeadLosses head_losses(const Decoder& decoder, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
                       std::optional<size_t> dense, const RowsDone& done);

// What a head is to the sums below.
struct Head {
  std::function<at::Tensor(const at::Tensor&)> logits;  // [rows, hidden] -> [rows, vocabulary]
  int64_t slice_rows;                                   // that it is given at most
};
// The two ways of head_losses. On the CPU a slice lies within a block and is summed at once in float64: what is in use
// stays small. A GPU is slow at many small products and kernels, so its slices are cut from all scored tokens of the
// chunk, each leaves its rows' losses in a float32 table, and that is summed at the end, in float64 too.
HeadLosses losses_by_block(const Head& head, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
                           std::optional<size_t> dense, const RowsDone& done);
HeadLosses losses_by_row(const Head& head, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
                         std::optional<size_t> dense, const RowsDone& done);

// Logits [rows, vocabulary] -> log-probabilities in float32, as transformers' loss computes them. Logits that the
// caller hands over are freed as soon as they are there in float32.
at::Tensor log_probabilities(at::Tensor logits);

// KL(dense || other) = sum of p log p - sum of p log q, row by row: the first sum is taken once for all others, and no
// matrix of differences is written. Both sums are some ten nats at most, usually, and have float32's error of a
// millionth of a nat; so has a row's divergence, however small it is itself.
class DenseRows {
 public:
  // log-probabilities [rows, vocabulary] float32; they are overwritten.
  explicit DenseRows(const at::Tensor& log_probabilities);
  // Those of the other model, which are overwritten -> [rows] float32, nats.
  at::Tensor divergence(const at::Tensor& log_probabilities) const;

 private:
  at::Tensor probabilities_;     // [rows, vocabulary]
  at::Tensor negative_entropy_;  // [rows]
};

}  // namespace sleb
