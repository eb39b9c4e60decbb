#include "sleb/engine/decoder/head_loss.h"

#include <functional>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/plans/operations.h"

namespace sleb {

at::Tensor log_probabilities(const Decoder& decoder, const at::Tensor& hidden) {
  // Logits in float32 before the softmax, as transformers' loss does.
  const at::Tensor logits = decoder.logits(hidden).to(at::kFloat);
  return at::_log_softmax(logits, -1, /*half_to_float=*/false);
}

int64_t head_steps(const Decoder& decoder, int64_t states, int64_t segments, int64_t scored) {
  const int64_t rows = head_slice_rows(decoder.spec(), decoder.compute());
  return states * segments * ((scored + rows - 1) / rows);
}

HeadLosses head_losses(const Decoder& decoder, const std::vector<at::Tensor>& states, const at::Tensor& ids,
                       int64_t first_scored, std::optional<size_t> dense, const std::function<void()>& done) {
  const int64_t segments = ids.size(0);
  const int64_t last = ids.size(1) - 1;
  const int64_t rows = head_slice_rows(decoder.spec(), decoder.compute());
  const auto options = ids.options().dtype(at::kDouble);
  HeadLosses losses;
  losses.nll = at::zeros({static_cast<int64_t>(states.size()), segments}, options);
  if (dense) losses.divergence = at::zeros(losses.nll.sizes(), options);
  for (int64_t segment = 0; segment < segments; ++segment) {
    // A token's distribution is computed at the position before it.
    for (int64_t begin = first_scored - 1; begin < last; begin += rows) {
      const int64_t count = std::min(rows, last - begin);
      const at::Tensor targets = ids.select(0, segment).narrow(0, begin + 1, count).unsqueeze(1);
      const auto slice = [&](size_t state) { return states[state].select(0, segment).narrow(0, begin, count); };
      at::Tensor dense_log_probabilities, dense_probabilities;
      if (dense) {
        dense_log_probabilities = log_probabilities(decoder, slice(*dense));
        dense_probabilities = dense_log_probabilities.exp();
      }
      for (size_t i = 0; i < states.size(); ++i) {
        const at::Tensor own = dense == i ? dense_log_probabilities : log_probabilities(decoder, slice(i));
        const auto row = static_cast<int64_t>(i);
        losses.nll.select(0, row).select(0, segment).sub_(own.gather(1, targets).sum(at::kDouble));
        if (dense && dense != i) {
          const at::Tensor difference = dense_log_probabilities.sub(own).mul_(dense_probabilities);
          losses.divergence.select(0, row).select(0, segment).add_(difference.sum(at::kDouble));
        }
        done();
      }
    }
  }
  return losses;
}

}  // namespace sleb
