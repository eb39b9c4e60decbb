#include "sleb/eval/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sleb {
namespace {

// Expected values by numpy: segments [3, 5, 4] / 2 of the dense model and [4, 5, 6] / 2 of the other.
const PlanLoss dense{.nll = {3, 5, 4}, .divergence = {0, 0, 0}};
const PlanLoss pruned{.nll = {4, 5, 6}, .divergence = {1, 0.5, 3}};

TEST(Perplexity, ErrorsAreOverSegments) {
  const PerplexityRow row = perplexity_row(pruned, dense, 2);
  EXPECT_DOUBLE_EQ(row.perplexity.value, std::exp(2.5));
  EXPECT_DOUBLE_EQ(*row.perplexity.error, std::exp(2.5) * 0.5 / std::sqrt(3));
  EXPECT_DOUBLE_EQ(row.difference.value, 0.5);
  // Paired: the differences are 0.5, 0 and 1, and vary less than two independent means would.
  EXPECT_DOUBLE_EQ(*row.difference.error, 0.5 / std::sqrt(3));
  EXPECT_DOUBLE_EQ(row.divergence.value, 0.75);
  EXPECT_NEAR(*row.divergence.error, 0.3818813, 1e-7);
}

TEST(Perplexity, TheDenseModelDiffersInNothing) {
  const PerplexityRow row = perplexity_row(dense, dense, 2);
  EXPECT_DOUBLE_EQ(row.perplexity.value, std::exp(2));
  EXPECT_EQ(row.difference.value, 0);
  EXPECT_EQ(*row.difference.error, 0);
}

TEST(Perplexity, OneSegmentHasNoError) {
  const PerplexityRow row = perplexity_row({.nll = {4}, .divergence = {1}}, {.nll = {3}, .divergence = {0}}, 4);
  EXPECT_DOUBLE_EQ(row.perplexity.value, std::exp(1));
  EXPECT_DOUBLE_EQ(row.difference.value, 0.25);
  EXPECT_FALSE(row.perplexity.error || row.difference.error || row.divergence.error);
}

TEST(Perplexity, IsTheReferencesToo) {
  const double loss = reference_loss(pruned.total_nll(), 3);
  EXPECT_DOUBLE_EQ(loss, 22.5);
  EXPECT_DOUBLE_EQ(perplexity(loss, 3, 3), perplexity_row(pruned, dense, 2).perplexity.value);
}

}  // namespace
}  // namespace sleb
