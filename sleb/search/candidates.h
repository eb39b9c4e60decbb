// What a search compares: plans, and what became of each of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/engine/plans/plan.h"
#include "sleb/engine/plans/removal_list.h"

namespace sleb {

// By what a candidate is judged: the loss on the text (SLEB), or the divergence of its next-token distribution from the
// dense model's, which says the same with less noise.
enum class Criterion { loss, kl };
std::string_view name_of(Criterion criterion);

// What a search removes at a time: blocks, numbered from 0, or halves of them, numbered as they stand in the model
// (depth_of): the attention of block b is 2b, its MLP 2b + 1.
enum class Units { block, half };
std::string_view name_of(Units units);
Removal removal_of(int64_t unit, Units units);
Plan plan_without(std::span<const int64_t> units, Units kind);

struct PlanScore {
  // In the reference's unit: summed over segments, mean cross-entropy (nats per predicted token) x seqlen. Of a
  // candidate that saw a part of the text, scaled to the whole.
  double loss = 0;
  double kl = 0;         // KL(dense || candidate), nats per predicted token, from the same sweep
  int64_t segments = 0;  // that it saw a part of
  int64_t tokens = 0;    // that it saw, scored or not
  // By how much its score is above the winner's on the tokens that both saw, nats per token, and the standard error.
  double difference = 0;
  std::optional<double> error = {};

  double by(Criterion criterion) const { return criterion == Criterion::kl ? kl : loss; }
};

// Of the candidates that saw most tokens the one with the strictly smallest score, so a tie goes to the earlier one.
template <typename Scored>
size_t index_of_winner(const std::vector<Scored>& candidates, Criterion criterion) {
  const int64_t most = std::ranges::max(candidates, {}, &Scored::tokens).tokens;
  size_t best = candidates.size();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].tokens < most) continue;
    if (best == candidates.size() || candidates[i].by(criterion) < candidates[best].by(criterion)) best = i;
  }
  return best;
}

struct PlanRace {
  std::string stage;        // for a progress bar
  std::vector<Plan> plans;  // the candidates
  bool wants_dense_loss = false;
  // [plans]: the smaller, the likelier later races extend the plan; empty: nothing is known.
  std::vector<double> expected = {};
  // A candidate whose score on the whole text is known: when it alone is left, the race is over.
  std::optional<size_t> known = {};
  // Floating-point operations, counted as if nothing were kept from earlier races: a part of the text that would go
  // beyond is not begun, and the race ends without a winner that has seen the whole text.
  double budget = std::numeric_limits<double>::infinity();
};
struct RaceOutcome {
  std::vector<PlanScore> scores;  // [plans]
  double dense_loss = 0;          // if wanted
  double operations = 0;          // that were computed
};
using EvaluateRace = std::function<RaceOutcome(const PlanRace& race)>;

}  // namespace sleb
