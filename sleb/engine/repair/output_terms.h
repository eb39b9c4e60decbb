// How what a half's output matrix computes becomes a part of the hidden state, as least squares takes it. Inside this
// room only.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/decoder/block.h"
#include "sleb/engine/plans/plan.h"
#include "sleb/engine/repair/least_squares.h"

namespace sleb {

// [..., 1] in float32, of states [..., hidden]: 1 / |state|, and 0 for a state of zeros.
at::Tensor state_weights(const at::Tensor& states);
// The same of whole segments, [batch, tokens, hidden]; 0 for each segment's first token, whose norm may be a thousand
// times the others'.
at::Tensor token_weights(const at::Tensor& states);

// float32 [rows, in] and [rows, hidden], weighted.
struct Sample {
  at::Tensor inputs;
  at::Tensor lacking;
};

// W: the matrix, h: its input, x: the state before the half, z: after it, t: the state wanted there, s: the residual's
// scale, w: the token's weight.
//
// Mostly z = x + s W h, and D for W + D minimizes |w (t - z) - D (w s h)|^2.
//
// With an RMS norm behind the matrix z = x + a * y / rms(y), where y = W h and a = s * the norm's weight, row by row.
// The norm fixes how much a half writes, c = z - x; W decides on its direction alone. With o = t - x, what is to be
// written, and |c| fixed, |o - c|^2 is |o| / |c| * |(|c| / |o|) o - c|^2 but for a constant; and to first order D adds
// a * D h / rms(y) to c. A row with a small weight in the norm must not take the room of the others: of the solution
// E = a * D, D = E * a / (a^2 + ridge * mean(a^2)).
class OutputTerms {
 public:
  OutputTerms(const Checkpoint& checkpoint, Unit unit, at::Device device);

  bool is_linear() const { return !gains_.defined(); }
  // `states`: after the half, `wanted`: what they should be, both float32 [..., hidden]; `weights`: [..., 1].
  Sample sample(const OutputProduct& product, const at::Tensor& states, const at::Tensor& wanted,
                const at::Tensor& weights) const;
  // Of the matrix, float64 [hidden, in].
  at::Tensor change(const Fit& fit) const;

 private:
  double scale_;
  double eps_;
  at::Tensor gains_;  // a above, float32 [hidden]; undefined where no norm is behind the matrix
};

}  // namespace sleb
