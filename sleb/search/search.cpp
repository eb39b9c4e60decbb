#include "sleb/search/search.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/search/race.h"

namespace sleb {
namespace {

RaceCounts counts_of(const RaceCost& cost) {
  return {.on_first_rung = [&](std::span<const Plan> plans) { return cost.on_rung(0, plans); },
          .on_whole_text = [&](std::span<const Plan> plans) { return cost.on_whole_text(plans); },
          .at_most = [&](std::span<const Plan> plans) { return cost.at_most(plans); },
          .of = [&](std::span<const Plan> plans, std::span<const PlanScore> scores) { return cost.of(plans, scores); }};
}

}  // namespace

std::string_view name_of(SearchKind kind) {
  if (kind == SearchKind::best) return "best";
  return kind == SearchKind::race ? "race" : "exact";
}

RemovalList SearchResult::removal_list() const {
  return best ? joined_halves(plan_without(best->sets.back().units, units)) : greedy.removal_list(units);
}

double SearchResult::loss() const {
  return best ? best->sets.back().loss : greedy.steps.back().loss;
}

SearchResult run_search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                        const SearchHooks& hooks, Progress& progress) {
  StateSaver saver(hooks.save);
  const int64_t num_blocks = evaluator.model().spec().num_blocks;
  const bool is_exact = options.kind == SearchKind::exact;
  const RaceCost cost(evaluator, is_exact ? exact_rungs(evaluator.num_chunks()) : race_rungs(evaluator));
  const EvaluateRace evaluate = [&](const PlanRace& race) {
    RaceSweep sweep(evaluator, race, options.greedy.criterion, state, saver, progress);
    return run_race(sweep, cost, options.confidence);
  };
  if (!state.races.empty() && std::ssize(state.finished.steps) < options.greedy.rounds()) {
    bad_input("the finished race \"{}\" belongs behind greedy's last round", state.races[0].step);
  }
  const auto round_finished = [&](const GreedyResult& so_far) {
    state = {.finished = so_far};
    saver.save(state);
    if (hooks.round_finished) hooks.round_finished(so_far);
  };
  GreedyResult finished = state.finished;
  SearchResult result{.greedy = greedy_search(num_blocks, options.greedy, evaluate, round_finished, std::move(finished),
                                              hooks.may_go_on),
                      .units = options.greedy.units};
  if (options.kind != SearchKind::best) return result;
  const RaceListener race_finished = [&](const std::vector<SetRace>& races, const FoundSet& best) {
    state = {.finished = result.greedy, .races = races};
    saver.save(state);
    if (hooks.race_finished) hooks.race_finished(races, best);
  };
  const BestOptions best_options{.greedy = options.greedy,
                                 .budget = options.budget,
                                 .text_tokens = evaluator.corpus().segments * evaluator.corpus().seqlen};
  const RaceCounts counts = counts_of(cost);
  BestSearch search(num_blocks, best_options, counts, evaluate, race_finished, result.greedy);
  std::vector<SetRace> races = state.races;
  result.best = search.run(std::move(races));
  return result;
}

}  // namespace sleb
