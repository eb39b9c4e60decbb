#include "sleb/search/paired_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sleb {
namespace {

PairedDifference of(const std::vector<double>& differences, int64_t tokens = 1) {
  const std::vector<double> zeros(differences.size(), 0.0);
  const std::vector<int64_t> sizes(differences.size(), tokens);
  return paired_difference(differences, zeros, sizes);
}

TEST(PairedDifference, MeanAndErrorPerToken) {
  const std::vector<double> own = {30, 50, 40}, other = {20, 30, 10};
  const std::vector<int64_t> tokens = {10, 10, 10};
  const PairedDifference difference = paired_difference(own, other, tokens);
  EXPECT_DOUBLE_EQ(difference.mean, 2);
  EXPECT_DOUBLE_EQ(*difference.error, 1 / std::sqrt(3));  // of 1, 2 and 3
  EXPECT_EQ(difference.blocks, 3);
  EXPECT_FALSE(of({5}).error.has_value());
}

TEST(PairedDifference, BlocksOfUnlikeSizesCountByTheirTokens) {
  const std::vector<double> own = {200, 400, 2}, other = {0, 0, 0};
  const std::vector<int64_t> tokens = {100, 200, 1};
  const PairedDifference difference = paired_difference(own, other, tokens);
  EXPECT_DOUBLE_EQ(difference.mean, 2);
  EXPECT_NEAR(*difference.error, 0, 1e-12);
}

// Blocks that follow one another in an AR(1) process: the error has to come from the batches, not from single blocks.
TEST(PairedDifference, CorrelationBeyondABlockMakesTheErrorLarger) {
  std::mt19937_64 random(4);
  std::normal_distribution<double> normal;
  const double memory = 0.8;
  double sum_independent = 0, sum_correlated = 0, squared_means = 0;
  constexpr int trials = 300;
  for (int trial = 0; trial < trials; ++trial) {
    std::vector<double> correlated, independent;
    double value = normal(random) / std::sqrt(1 - memory * memory);
    for (int i = 0; i < 512; ++i) {
      correlated.push_back(value);
      independent.push_back(normal(random));
      value = memory * value + normal(random);
    }
    sum_correlated += *of(correlated).error;
    sum_independent += *of(independent).error;
    squared_means += std::pow(of(correlated).mean, 2);
  }
  const double truth = std::sqrt(squared_means / trials);
  EXPECT_NEAR(sum_correlated / trials / truth, 1, 0.25);
  // The largest of several estimates is a little too large where there is no correlation, not too small.
  const double own = 1 / std::sqrt(512.0);
  EXPECT_GT(sum_independent / trials / own, 1);
  EXPECT_LT(sum_independent / trials / own, 1.35);
}

// By scipy.stats.t.sf.
TEST(StudentT, Tail) {
  EXPECT_NEAR(student_t_tail(1, 1), 0.25, 1e-15);
  EXPECT_NEAR(student_t_tail(2, 2), 0.09175170953613696, 1e-15);
  EXPECT_NEAR(student_t_tail(3, 3), 0.02883444281121865, 1e-15);
  EXPECT_NEAR(student_t_tail(6, 15) / 1.216327275551927e-05, 1, 1e-6);
  EXPECT_NEAR(student_t_tail(4.5, 1000) / 3.7965355132491246e-06, 1, 1e-6);
  EXPECT_DOUBLE_EQ(student_t_tail(0, 7), 0.5);
  EXPECT_EQ(student_t_tail(std::numeric_limits<double>::infinity(), 7), 0);
  for (int64_t degrees = 1; degrees < 40; ++degrees) {
    EXPECT_GT(student_t_tail(3, degrees), student_t_tail(3, degrees + 1));
    EXPECT_GT(student_t_tail(3, degrees), 0.5 * std::erfc(3 / std::sqrt(2.0)));
  }
}

TEST(SurelyPositive, NeedsDifferenceErrorAndDoubt) {
  const PairedDifference clear{1, 0.1, 30};
  EXPECT_TRUE(significantly_positive(clear, 0.5, 1e-5));
  EXPECT_FALSE(significantly_positive({1, 0.1, 3}, 0.5, 1e-5));  // three blocks don't tell
  EXPECT_FALSE(significantly_positive({-1, 0.1, 30}, 0.5, 1e-5));
  EXPECT_FALSE(significantly_positive({1, {}, 1}, 0.5, 1e-5));
  EXPECT_TRUE(significantly_positive({0.4, 0.1, 30}, 0.75, 1e-5));
  EXPECT_FALSE(significantly_positive({0.4, 0.1, 30}, 0, 1e-5));
}

// The chance of calling a difference positive that on the whole text is none: by simulation, with blocks whose values
// are skewed and correlated.
TEST(SurelyPositive, IsWrongNoMoreOftenThanItSays) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  constexpr int trials = 4000;
  constexpr double level = 0.01;
  int wrong = 0;
  for (int trial = 0; trial < trials; ++trial) {
    std::vector<double> text;
    double value = normal(random);
    double sum = 0;
    for (int i = 0; i < 64; ++i) {
      value = 0.3 * value + normal(random);
      text.push_back(value + 0.2 * value * value);
      sum += text.back();
    }
    for (double& block : text) block -= sum / 64;
    text.resize(32);
    wrong += significantly_positive(of(text), 0.5, level) ? 1 : 0;
  }
  EXPECT_LT(wrong, 2 * level * trials);
}

}  // namespace
}  // namespace sleb
