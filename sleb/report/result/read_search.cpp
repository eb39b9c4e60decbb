// Rounds, races and sets of a result.

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <set>

#include "sleb/engine/plans/recorded_removals.h"
#include "sleb/report/result/prune_result.h"

namespace sleb::result {
namespace {

constexpr size_t most_candidates = 50'000;  // of all rounds and races together: more is no page

// A perplexity beyond this power of e is nothing that can be drawn, and no model's.
constexpr double largest_per_token = 500;

double loss_at(const JsonView& value, const PruneResult& result) {
  const double loss = amount(value);
  if (result.per_token(loss) > largest_per_token) value.fail("too large for a loss of this calibration text");
  return loss;
}

Score score_of(const JsonView& candidate, const PruneResult& result) {
  return {.loss = loss_at(candidate.at("loss"), result),
          .kl = signed_amount(candidate.at("kl")),
          .tokens = candidate.at("tokens").integer(0, static_cast<int64_t>(result.calibration.tokens())),
          .difference = measured(candidate, "difference", "difference_stderr")};
}

// "candidates" of a round or a race, of which there is one at least.
JsonView candidates_of(const JsonView& round) {
  const JsonView candidates = round.at("candidates");
  if (!candidates.is_array() || candidates.size() == 0) candidates.fail("expected a list of candidates");
  return candidates;
}

// A block, or where halves are removed one of them.
Removal unit_from(const JsonView& json, const PruneResult& result) {
  const Removal unit = removal_from(json, result.num_blocks);
  if (unit.half.has_value() != result.halves) json.fail(result.halves ? "not half a block" : "not a whole block");
  return unit;
}

// `removed`: by the rounds before it, to which this one's is added.
Round round_of(const JsonView& json, const PruneResult& result, RemovalListReader& removed) {
  Round round{.removed = unit_from(json.at("removed"), result),
              .loss = loss_at(json.at("loss"), result),
              .candidates = {},
              .winner = 0,
              .seconds = amount(json.at("seconds"))};
  const JsonView candidates = candidates_of(json);
  if (candidates.size() > static_cast<size_t>(2 * result.num_blocks)) candidates.fail("more than the model has blocks");
  std::set<Removal> tried(removed.list().begin(), removed.list().end());
  for (size_t i = 0; i < candidates.size(); ++i) {
    const JsonView candidate = candidates.at(i);
    round.candidates.push_back({unit_from(candidate.at("block"), result), score_of(candidate, result)});
    if (!tried.insert(round.candidates.back().removal).second) {
      candidate.at("block").fail("removed before, or a candidate of this round twice");
    }
  }
  removed.add(json.at("removed"));
  const auto winner = std::ranges::find(round.candidates, round.removed, &Candidate::removal);
  if (winner == round.candidates.end()) json.at("removed").fail("not among the candidates");
  if (winner->score.loss != round.loss) json.at("loss").fail("not that of the candidate that was removed");
  round.winner = static_cast<size_t>(winner - round.candidates.begin());
  return round;
}

Race race_of(const JsonView& json, const PruneResult& result) {
  Race race{.step = json.at("step").string(),
            .best = removal_list_from(json.at("best"), result.num_blocks),
            .candidates = {},
            .seconds = amount(json.at("seconds"))};
  const JsonView candidates = candidates_of(json);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const JsonView candidate = candidates.at(i);
    race.candidates.push_back(
        {removal_list_from(candidate.at("blocks"), result.num_blocks), score_of(candidate, result)});
  }
  return race;
}

void read_best(const JsonView& json, PruneResult& result) {
  const JsonView races = json.at("races");
  for (size_t i = 0; i < races.size(); ++i) result.races.push_back(race_of(races.at(i), result));
  const JsonView sets = json.at("best_sets");
  for (size_t i = 0; i < sets.size(); ++i) {
    const JsonView set = sets.at(i);
    result.best_sets.push_back({.size = set.at(result.halves ? "halves" : "blocks").integer(1, 2 * result.num_blocks),
                                .blocks = removal_list_from(set.at("removal_list"), result.num_blocks),
                                .loss = loss_at(set.at("loss"), result),
                                .kl = signed_amount(set.at("kl"))});
  }
  if (result.best_sets.empty()) sets.fail("expected a list of sets");
  for (size_t i = 0; i < sets.size(); ++i) {
    const BestSet& set = result.best_sets[i];
    if (blocks_in(set.blocks) * (result.halves ? 2 : 1) != static_cast<double>(set.size)) {
      sets.at(i).at("removal_list").fail(fmt::format("not of {}", set.size));
    }
  }
  const auto no_order = std::ranges::adjacent_find(result.best_sets, std::greater_equal(), &BestSet::size);
  if (no_order != result.best_sets.end()) sets.fail("expected sets in the order of their size");
}

// What the losses belong to: all that greedy removed, or the largest set.
void check_removal_list(const JsonView& list, const PruneResult& result, const RemovalList& removed) {
  const RemovalList& found = result.best_sets.empty() ? removed : result.best_sets.back().blocks;
  if (plan_without(result.removal_list) == plan_without(found)) return;
  list.fail(
      fmt::format("not what {} found: {}", result.best_sets.empty() ? "its rounds" : "its best_sets", text_of(found)));
}

}  // namespace

void read_search(const JsonView& json, PruneResult& result) {
  if (result.per_token(result.dense_loss) > largest_per_token) {
    json.at("dense_loss").fail("too large for a loss of this calibration text");
  }
  const JsonView steps = json.at("steps");
  if (!steps.is_array() || steps.size() == 0) steps.fail("expected a list of rounds");
  if (steps.size() > static_cast<size_t>(2 * result.num_blocks)) steps.fail("more rounds than the model has blocks");
  RemovalListReader removed(result.num_blocks);
  for (size_t i = 0; i < steps.size(); ++i) result.rounds.push_back(round_of(steps.at(i), result, removed));
  if (json.has("best_sets")) read_best(json, result);
  check_removal_list(json.at("removal_list"), result, removed.list());
  size_t candidates = 0;
  for (const Round& round : result.rounds) candidates += round.candidates.size();
  for (const Race& race : result.races) candidates += race.candidates.size();
  if (candidates > most_candidates) {
    steps.fail(fmt::format("{} candidates, more than a page can show ({})", candidates, most_candidates));
  }
}

}  // namespace sleb::result
