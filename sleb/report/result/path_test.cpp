#include "sleb/report/result/path.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sleb::result {
namespace {

// A path with these losses in nats per token, a block more at each point.
std::vector<PathPoint> path(const std::vector<double>& per_token) {
  std::vector<PathPoint> points;
  for (size_t i = 0; i < per_token.size(); ++i) {
    points.push_back({.blocks = static_cast<double>(i),
                      .loss = 0,
                      .per_token = per_token[i],
                      .perplexity = std::exp(per_token[i]),
                      .kl = 0,
                      .removed = {}});
  }
  return points;
}

TEST(Knee, IsWherePathTurnsUp) {
  // Scaled to [0, 1]: (0.2, 0.01), (0.4, 0.02), (0.6, 0.03), (0.8, 0.4): 0.57 below the line at 3.
  EXPECT_EQ(knee_of(path({3.0, 3.01, 3.02, 3.03, 3.4, 4.0})), 3U);
  EXPECT_EQ(knee_of(path({3.0, 3.05, 3.5, 4.0, 4.5, 5.0})), 1U);
}

TEST(Knee, IsNoneOfAStraightPathNorOfOneThatFlattens) {
  EXPECT_EQ(knee_of(path({1, 2, 3, 4, 5})), std::nullopt);
  EXPECT_EQ(knee_of(path({1, 4, 4.8, 5, 5})), std::nullopt);
  EXPECT_EQ(knee_of(path({1, 1.95, 2.95, 4})), std::nullopt) << "0.0167 below the line";
}

TEST(Knee, NeedsFourPointsAndARise) {
  EXPECT_EQ(knee_of(path({3.0, 3.0, 4.0})), std::nullopt);
  EXPECT_EQ(knee_of(path({3.0, 2.0, 1.0, 3.0})), std::nullopt);
}

TEST(NearTie, IsWithinTwoStandardErrors) {
  const auto score = [](double difference, std::optional<double> error) {
    return Score{.loss = 1, .kl = 0, .tokens = 10, .difference = {difference, error}};
  };
  EXPECT_TRUE(is_near_tie(score(0.02, 0.01)));
  EXPECT_FALSE(is_near_tie(score(0.021, 0.01)));
  EXPECT_FALSE(is_near_tie(score(0, {}))) << "nothing is known of its error";
}

}  // namespace
}  // namespace sleb::result
