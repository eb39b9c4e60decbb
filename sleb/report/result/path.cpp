#include "sleb/report/result/path.h"

#include <cmath>

namespace sleb::result {
namespace {

PathPoint point(const PruneResult& result, RemovalList removed, double loss, double kl) {
  const double per_token = result.per_token(loss);
  return {blocks_in(removed), loss, per_token, std::exp(per_token), kl, std::move(removed)};
}

}  // namespace

std::vector<PathPoint> greedy_path(const PruneResult& result) {
  std::vector<PathPoint> path = {point(result, {}, result.dense_loss, 0)};
  RemovalList removed;
  for (const Round& round : result.rounds) {
    removed.push_back(round.removed);
    path.push_back(point(result, removed, round.loss, round.candidates[round.winner].score.kl));
  }
  return path;
}

std::vector<PathPoint> path_of(const PruneResult& result) {
  if (result.best_sets.empty()) return greedy_path(result);
  std::vector<PathPoint> path = {point(result, {}, result.dense_loss, 0)};
  for (const BestSet& set : result.best_sets) path.push_back(point(result, set.blocks, set.loss, set.kl));
  return path;
}

std::optional<size_t> knee_of(std::span<const PathPoint> path) {
  if (path.size() < 4) return {};
  const PathPoint &first = path.front(), &last = path.back();
  const double width = last.blocks - first.blocks, height = last.per_token - first.per_token;
  if (width <= 0 || height <= 0) return {};
  std::optional<size_t> knee;
  double largest = least_bend;
  for (size_t i = 1; i + 1 < path.size(); ++i) {
    const double below = (path[i].blocks - first.blocks) / width - (path[i].per_token - first.per_token) / height;
    if (below < largest) continue;
    largest = below;
    knee = i;
  }
  return knee;
}

bool is_near_tie(const Score& score) {
  return score.difference.error && score.difference.value <= 2 * *score.difference.error;
}

bool is_dropped_early(const Score& score, const PruneResult& result) {
  return static_cast<double>(score.tokens) < result.calibration.tokens();
}

}  // namespace sleb::result
