#include "sleb/engine/decoder/head_loss.h"

#include <algorithm>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/plans/operations.h"

namespace sleb {
namespace {

// A slice of one block's tokens. A token's distribution is computed at the position before it.
struct BlockSlice {
  int64_t segment, block;
  int64_t begin, count;  // tokens of the segment
};

void add_slice(const Head& head, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
               std::optional<size_t> dense, const BlockSlice& slice, HeadLosses& losses, const RowsDone& done) {
  const at::Tensor targets = scored.ids.select(0, slice.segment).narrow(0, slice.begin, slice.count).unsqueeze(1);
  const auto log_probabilities_of = [&](size_t state) {
    const at::Tensor of_segment = states[state].select(0, slice.segment);
    return log_probabilities(head.logits(of_segment.narrow(0, slice.begin - 1, slice.count)));
  };
  const auto place = [&](const at::Tensor& table, size_t state) {
    return table.select(0, static_cast<int64_t>(state)).select(0, slice.segment).select(0, slice.block);
  };
  at::Tensor dense_log_probabilities, dense_probabilities;
  if (dense) {
    dense_log_probabilities = log_probabilities_of(*dense);
    dense_probabilities = dense_log_probabilities.exp();
  }
  for (size_t i = 0; i < states.size(); ++i) {
    const at::Tensor own = dense == i ? dense_log_probabilities : log_probabilities_of(i);
    place(losses.nll, i).sub_(own.gather(1, targets).sum(at::kDouble));
    if (dense && dense != i) {
      const at::Tensor difference = dense_log_probabilities.sub(own).mul_(dense_probabilities);
      place(losses.divergence, i).add_(difference.sum(at::kDouble));
    }
    done(slice.count);
  }
}

// [states, segments * scored tokens] -> [states, segments, blocks] float64
at::Tensor sums_of_blocks(const at::Tensor& of_rows, const ScoredTokens& scored) {
  const int64_t per_segment = scored.per_segment();
  const at::Tensor table = of_rows.view({of_rows.size(0), scored.ids.size(0), per_segment});
  std::vector<at::Tensor> sums;
  for (int64_t begin = 0; begin < per_segment; begin += scored.block_tokens) {
    const int64_t count = std::min(scored.block_tokens, per_segment - begin);
    sums.push_back(table.narrow(2, begin, count).sum(2, /*keepdim=*/true, at::kDouble));
  }
  return at::cat(sums, 2);
}

}  // namespace

at::Tensor log_probabilities(at::Tensor logits) {
  // CUDA has one kernel from float16 to float32, and none from bfloat16.
  const bool in_one_pass = logits.is_cuda() && logits.scalar_type() == at::kHalf;
  if (!in_one_pass) logits = logits.to(at::kFloat);
  return at::_log_softmax(logits, -1, /*half_to_float=*/in_one_pass);
}

DenseRows::DenseRows(const at::Tensor& log_probabilities)
    : probabilities_(log_probabilities.exp()), negative_entropy_(log_probabilities.mul_(probabilities_).sum(-1)) {}

at::Tensor DenseRows::divergence(const at::Tensor& log_probabilities) const {
  return negative_entropy_.sub(log_probabilities.mul_(probabilities_).sum(-1));
}

HeadLosses head_losses(const Decoder& decoder, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
                       std::optional<size_t> dense, const RowsDone& done) {
  const Head head{[&](const at::Tensor& hidden) { return decoder.logits(hidden); },
                  head_slice_rows(decoder.spec(), decoder.compute())};
  return scored.ids.is_cpu() ? losses_by_block(head, states, scored, dense, done)
                             : losses_by_row(head, states, scored, dense, done);
}

HeadLosses losses_by_block(const Head& head, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
                           std::optional<size_t> dense, const RowsDone& done) {
  const int64_t segments = scored.ids.size(0), tokens = scored.ids.size(1);
  HeadLosses losses;
  losses.nll = at::zeros({static_cast<int64_t>(states.size()), segments, scored.blocks()},
                         scored.ids.options().dtype(at::kDouble));
  if (dense) losses.divergence = at::zeros(losses.nll.sizes(), losses.nll.options());
  for (int64_t block = 0; block < scored.blocks(); ++block) {
    const int64_t first = scored.first_scored + block * scored.block_tokens;
    const int64_t end = std::min(first + scored.block_tokens, tokens);
    for (int64_t segment = 0; segment < segments; ++segment) {
      for (int64_t begin = first; begin < end; begin += head.slice_rows) {
        const int64_t count = std::min(head.slice_rows, end - begin);
        add_slice(head, states, scored, dense, {segment, block, begin, count}, losses, done);
      }
    }
  }
  return losses;
}

HeadLosses losses_by_row(const Head& head, const std::vector<at::Tensor>& states, const ScoredTokens& scored,
                         std::optional<size_t> dense, const RowsDone& done) {
  const at::TensorOptions index = scored.ids.options();
  const int64_t segments = scored.ids.size(0), tokens = scored.ids.size(1);
  // Of each scored token: where among the chunk's rows its distribution is computed, and its id.
  const at::Tensor sources = at::arange(segments, index)
                                 .mul_(tokens)
                                 .unsqueeze(1)
                                 .add(at::arange(scored.first_scored - 1, tokens - 1, index))
                                 .flatten();
  const at::Tensor targets = scored.ids.narrow(1, scored.first_scored, scored.per_segment()).reshape({-1, 1});
  const int64_t rows = sources.size(0);
  const auto num_states = static_cast<int64_t>(states.size());
  const at::Tensor nll = at::empty({num_states, rows}, index.dtype(at::kFloat));
  const at::Tensor divergence = dense ? at::zeros_like(nll) : at::Tensor();
  for (int64_t begin = 0; begin < rows; begin += head.slice_rows) {
    const int64_t count = std::min(head.slice_rows, rows - begin);
    const auto place = [&](const at::Tensor& table, size_t state) {
      return table.select(0, static_cast<int64_t>(state)).narrow(0, begin, count);
    };
    const auto score = [&](size_t state) {
      const at::Tensor all = states[state].flatten(0, 1);
      const at::Tensor hidden = all.index_select(0, sources.narrow(0, begin, count).to(all.device()));
      at::Tensor own = log_probabilities(head.logits(hidden));
      place(nll, state).copy_(own.gather(1, targets.narrow(0, begin, count)).squeeze(1).neg());
      done(count);
      return own;
    };
    std::optional<DenseRows> dense_rows;
    if (dense) dense_rows.emplace(score(*dense));
    for (size_t i = 0; i < states.size(); ++i) {
      if (dense == i) continue;
      const at::Tensor own = score(i);
      if (dense_rows) place(divergence, i).copy_(dense_rows->divergence(own));
    }
  }
  HeadLosses losses{.nll = sums_of_blocks(nll, scored), .divergence = {}};
  if (dense) losses.divergence = sums_of_blocks(divergence, scored);
  return losses;
}

}  // namespace sleb
