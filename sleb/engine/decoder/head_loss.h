// From last hidden states to losses, in slices: the [tokens, vocabulary] matrix of a segment is never whole.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "sleb/engine/decoder/decoder.h"

namespace sleb {

struct HeadLosses {
  at::Tensor nll;         // [states, segments] float64: sum over scored tokens, nats
  at::Tensor divergence;  // the same shape; undefined unless asked for
};

// states: [segments, tokens, hidden] each; ids [segments, tokens] on the device. Tokens from position `first_scored`
// (at least 1) on are scored; logits are computed for no others. With `dense` (one of the states' indices), also the
// sum over these tokens of KL(dense || state) between the distributions they are drawn from. Calls `done` after each
// state's slice.
HeadLosses head_losses(const Decoder& decoder, const std::vector<at::Tensor>& states, const at::Tensor& ids,
                       int64_t first_scored, std::optional<size_t> dense, const std::function<void()>& done);

// [rows, hidden] -> log-probabilities of the next token, [rows, vocabulary] float32. Of at most head_slice_rows rows.
at::Tensor log_probabilities(const Decoder& decoder, const at::Tensor& hidden);

// How often head_losses calls `done`.
int64_t head_steps(const Decoder& decoder, int64_t states, int64_t segments, int64_t scored);

}  // namespace sleb
