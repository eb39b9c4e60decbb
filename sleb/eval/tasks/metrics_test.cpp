#include "sleb/eval/tasks/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sleb {
namespace {

using Scores = std::vector<ContinuationScore>;
using Parts = std::vector<MetricPart>;

double part(Metric metric, const Answer& answer, const Scores& scores) {
  return metric_part(metric, answer, scores).value;
}

TEST(Metrics, AccuraciesDifferInTheLengthTheyDivideBy) {
  // Per character -2.5, -2.6; per byte -1.25, -2.6.
  const Answer answer{.choices = {"éé", "aaaaa"}, .target = 0};
  const Scores scores = {{-13, false}, {-5.0, false}};
  EXPECT_EQ(part(Metric::acc, answer, scores), 0);
  const Scores closer = {{-5, false}, {-13, false}};
  EXPECT_EQ(part(Metric::acc, answer, closer), 1);
  EXPECT_EQ(part(Metric::acc_norm, answer, closer), 1);
  const Answer bytes{.choices = {"éé", "aaa"}, .target = 1};
  const Scores by_length = {{-5, false}, {-6, false}};  // per character -2.5, -2; per byte -1.25, -2
  EXPECT_EQ(part(Metric::acc, bytes, by_length), 0);
  EXPECT_EQ(part(Metric::acc_norm, bytes, by_length), 1);
  EXPECT_EQ(part(Metric::acc_bytes, bytes, by_length), 0);
}

TEST(Metrics, TheFirstOfEqualChoicesCounts) {
  const Scores scores = {{-2, false}, {-1, false}, {-1, false}};
  EXPECT_EQ(part(Metric::acc, {.choices = {"a", "b", "c"}, .target = 1}, scores), 1);
  EXPECT_EQ(part(Metric::acc, {.choices = {"a", "b", "c"}, .target = 2}, scores), 0);
}

TEST(Metrics, OfContinuationsAndTexts) {
  EXPECT_EQ(part(Metric::acc, {}, {{-1, true}}), 1);
  EXPECT_EQ(part(Metric::acc, {}, {{-1, false}}), 0);
  const Answer text{.words = 3, .bytes = 20};
  EXPECT_EQ(metric_part(Metric::word_perplexity, text, Scores{{-6, true}}).weight, 3);
  EXPECT_EQ(metric_part(Metric::bits_per_byte, text, Scores{{-6, true}}).weight, 20);
  const Parts parts = {{-6, 3}, {-10, 5}};
  EXPECT_DOUBLE_EQ(estimate(Metric::word_perplexity, parts).value, std::exp(2));
  EXPECT_DOUBLE_EQ(estimate(Metric::bits_per_byte, parts).value, 2 / std::log(2));
}

TEST(Metrics, StandardErrorOfAMean) {
  const Parts parts = {{1, 1}, {0, 1}, {0, 1}, {1, 1}, {1, 1}};
  const MetricEstimate accuracy = estimate(Metric::acc, parts);
  EXPECT_DOUBLE_EQ(accuracy.value, 0.6);
  EXPECT_DOUBLE_EQ(*accuracy.standard_error, std::sqrt(1.2 / 4 / 5));
  EXPECT_FALSE(estimate(Metric::acc, Parts{{1, 1}}).standard_error);
}

// Of a perplexity, by the same formula on its logarithm, times the perplexity.
TEST(Metrics, StandardErrorsOfPerplexitiesAreLinearised) {
  const Parts parts = {{-1, 1}, {-2, 1}, {-4, 1}};
  const double deviation = std::sqrt((16.0 / 9 + 1.0 / 9 + 25.0 / 9) / 2);
  EXPECT_NEAR(*estimate(Metric::perplexity, parts).standard_error, std::exp(7.0 / 3) * deviation / std::sqrt(3), 1e-12);
  // Questions with the same value per word don't differ.
  EXPECT_NEAR(*estimate(Metric::word_perplexity, Parts{{-2, 1}, {-6, 3}}).standard_error, 0, 1e-12);
}

TEST(Metrics, DifferencesArePaired) {
  const Parts dense = {{1, 1}, {0, 1}, {1, 1}, {1, 1}};
  const Parts pruned = {{1, 1}, {0, 1}, {0, 1}, {1, 1}};
  const MetricEstimate difference = paired_difference(Metric::acc, pruned, dense);
  EXPECT_DOUBLE_EQ(difference.value, -0.25);
  EXPECT_DOUBLE_EQ(*difference.standard_error, 0.25) << "of the differences 0, 0, -1, 0";
  EXPECT_DOUBLE_EQ(*paired_difference(Metric::acc, dense, dense).standard_error, 0);
}

TEST(Metrics, Names) {
  for (const char* name :
       {"acc", "acc_norm", "acc_bytes", "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"}) {
    ASSERT_TRUE(find_metric(name)) << name;
    EXPECT_EQ(metric_name(*find_metric(name)), name);
  }
  EXPECT_FALSE(find_metric("f1"));
}

}  // namespace
}  // namespace sleb
