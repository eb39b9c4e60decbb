#include "sleb/engine/decoder/head_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

// Pseudo-random, the same in every run.
at::Tensor waves(at::IntArrayRef shape, double pace) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return at::arange(count, at::kDouble).mul_(pace).add_(0.3).square_().sin_().view(shape).to(at::kFloat);
}

// A head over three states of three segments of 20 tokens, the first state the dense model's.
struct SmallCase {
  at::Tensor weight = waves({50, 16}, 0.017).mul_(2);
  std::vector<at::Tensor> states = {waves({3, 20, 16}, 0.013), waves({3, 20, 16}, 0.013).add_(0.1),
                                    waves({3, 20, 16}, 0.019)};
  ScoredTokens scored{at::arange(60, at::kLong).mul_(7).fmod_(50).view({3, 20}), 5, 4};

  Head head(int64_t slice_rows) const {
    return {[this, slice_rows](const at::Tensor& hidden) {
              EXPECT_LE(hidden.size(0), slice_rows);
              return at::linear(hidden, weight);
            },
            slice_rows};
  }

  at::Tensor exact_log_probabilities(size_t state) const {  // [segments, scored, vocabulary] float64
    const at::Tensor before = states[state].narrow(1, scored.first_scored - 1, scored.per_segment());
    return at::_log_softmax(at::linear(before.to(at::kDouble), weight.to(at::kDouble)), -1, /*half_to_float=*/false);
  }
  // [segments, scored] float64 -> [segments, blocks]
  at::Tensor sums(const at::Tensor& of_tokens) const {
    std::vector<at::Tensor> blocks;
    for (int64_t begin = 0; begin < scored.per_segment(); begin += scored.block_tokens) {
      const int64_t count = std::min(scored.block_tokens, scored.per_segment() - begin);
      blocks.push_back(of_tokens.narrow(1, begin, count).sum(1, /*keepdim=*/true));
    }
    return at::cat(blocks, 1);
  }
  at::Tensor exact_nll(size_t state) const {
    const at::Tensor targets = scored.ids.narrow(1, scored.first_scored, scored.per_segment()).unsqueeze(2);
    return sums(exact_log_probabilities(state).gather(2, targets).squeeze(2).neg());
  }
  at::Tensor exact_divergence(size_t state) const {
    const at::Tensor dense = exact_log_probabilities(0);
    return sums(dense.exp().mul(dense.sub(exact_log_probabilities(state))).sum(2));
  }
};

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  EXPECT_EQ(a.scalar_type(), at::kDouble);
  return a.sub(b).abs().max().item<double>();
}

using Losses = HeadLosses (*)(const Head&, const std::vector<at::Tensor>&, const ScoredTokens&, std::optional<size_t>,
                              const RowsDone&);

class HeadLossesOf : public testing::TestWithParam<Losses> {};

// Nats, of a row whose losses and entropies are up to some ten nats, in float32 (head_loss.h).
constexpr double row_tolerance = 5e-6;
constexpr double sum_tolerance = 4 * row_tolerance;  // a block has four rows

TEST_P(HeadLossesOf, AreExactWhateverTheSlices) {
  const SmallCase small;
  for (const int64_t slice_rows : {1, 7, 1000}) {
    int64_t rows = 0;
    const HeadLosses losses =
        GetParam()(small.head(slice_rows), small.states, small.scored, 0, [&](int64_t count) { rows += count; });
    EXPECT_EQ(rows, 3 * 3 * 15);
    EXPECT_EQ(losses.nll.sizes(), at::IntArrayRef({3, 3, 4}));
    EXPECT_EQ(losses.divergence.select(0, 0).abs().max().item<double>(), 0);  // from itself
    for (size_t state = 0; state < 3; ++state) {
      const auto row = static_cast<int64_t>(state);
      EXPECT_LT(largest_difference(losses.nll[row], small.exact_nll(state)), sum_tolerance);
      EXPECT_LT(largest_difference(losses.divergence[row], small.exact_divergence(state)), sum_tolerance);
    }
  }
}

TEST_P(HeadLossesOf, NeedNoDenseModel) {
  const SmallCase small;
  const auto with_dense = GetParam()(small.head(7), small.states, small.scored, 2, [](int64_t) {});
  const auto without = GetParam()(small.head(7), small.states, small.scored, {}, [](int64_t) {});
  EXPECT_FALSE(without.divergence.defined());
  EXPECT_TRUE(without.nll.equal(with_dense.nll));
}

TEST_P(HeadLossesOf, FollowTheSegmentsAndNotTheirNeighbours) {
  const SmallCase small;
  ScoredTokens last = small.scored;
  last.ids = last.ids.narrow(0, 2, 1);
  std::vector<at::Tensor> of_last;
  for (const at::Tensor& state : small.states) of_last.push_back(state.narrow(0, 2, 1));
  const auto all = GetParam()(small.head(7), small.states, small.scored, 0, [](int64_t) {});
  const auto alone = GetParam()(small.head(7), of_last, last, 0, [](int64_t) {});
  EXPECT_LT(largest_difference(alone.nll, all.nll.narrow(1, 2, 1)), sum_tolerance);
  EXPECT_LT(largest_difference(alone.divergence, all.divergence.narrow(1, 2, 1)), sum_tolerance);
}

INSTANTIATE_TEST_SUITE_P(ByBlockAndByRow, HeadLossesOf, testing::Values(&losses_by_block, &losses_by_row));

TEST(LogProbabilities, AreThoseOfTheRoundedLogits) {
  const at::Tensor rounded = waves({5, 300}, 0.011).mul_(8).to(at::kBFloat16);
  const at::Tensor expected = at::_log_softmax(rounded.to(at::kFloat), -1, /*half_to_float=*/false);
  EXPECT_TRUE(log_probabilities(rounded).equal(expected));
}

// The bound is what head_loss.h states: the divergence's error is that of two sums of up to ten nats, also where the
// divergence is a thousandth of a nat.
TEST(DenseRows, DivergesExactlyEnoughHoweverNear) {
  constexpr int64_t rows = 16, vocabulary = 50257;
  for (const double spread : {0.5, 4.0, 12.0}) {  // from nearly uniform to nearly certain
    const at::Tensor dense_logits = waves({rows, vocabulary}, 0.0137).mul_(spread).add_(30);
    for (const double distance : {0.0, 0.01, 0.05, 1.0}) {
      const at::Tensor other_logits = dense_logits.add(waves({rows, vocabulary}, 0.0071).mul_(distance));
      const auto exact = [](const at::Tensor& logits) {
        return at::_log_softmax(logits.to(at::kDouble), -1, /*half_to_float=*/false);
      };
      const at::Tensor difference = exact(dense_logits).sub(exact(other_logits));
      const at::Tensor expected = exact(dense_logits).exp().mul(difference).sum(-1);
      const DenseRows dense(log_probabilities(dense_logits.clone()));
      const at::Tensor found = dense.divergence(log_probabilities(other_logits.clone()));
      EXPECT_LT(largest_difference(found.to(at::kDouble), expected), row_tolerance) << spread << " " << distance;
    }
  }
}

}  // namespace
}  // namespace sleb
