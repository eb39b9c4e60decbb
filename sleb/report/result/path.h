// What removing more and more costs: the way from the dense model to the result, a point for each number of blocks.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "sleb/report/result/prune_result.h"

namespace sleb::result {

struct PathPoint {
  double blocks;      // removed; a half counts as half a block
  double loss;        // as in the file
  double per_token;   // nats
  double perplexity;  // on the calibration text
  double kl;          // from the dense model, nats per token
  RemovalList removed;
};

// The dense model, then one point for each number: greedy's rounds, or the best sets of a search for such.
std::vector<PathPoint> path_of(const PruneResult& result);
// Greedy's rounds also where better sets were found.
std::vector<PathPoint> greedy_path(const PruneResult& result);

// The knee of the loss in nats per token (Satopaa et al., "Finding a Kneedle in a Haystack", 2011): with both axes
// scaled to [0, 1], the point farthest below the straight line from the first to the last. Nothing for fewer than four
// points, or where none is `least_bend` below: such a path is straight, or has its bend the other way.
inline constexpr double least_bend = 0.1;
std::optional<size_t> knee_of(std::span<const PathPoint> path);

// Not to be told from the winner by this text: a difference of at most two standard errors.
bool is_near_tie(const Score& score);
// Judged by a part of the text alone, as a race does with significantly worse candidates.
bool is_dropped_early(const Score& score, const PruneResult& result);

}  // namespace sleb::result
