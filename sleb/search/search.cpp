#include "sleb/search/search.h"

#include <utility>

#include "sleb/search/race.h"

namespace sleb {

GreedyResult run_search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                        const SearchHooks& hooks, Progress& progress) {
  StateSaver saver(hooks.save);
  const bool is_race = options.kind == SearchKind::race;
  const RaceCost cost(evaluator, is_race ? race_rungs(evaluator) : exact_rungs(evaluator.num_chunks()));
  const auto evaluate = [&](const PlanRace& race) {
    RaceSweep sweep(evaluator, race, options.greedy.criterion, state, saver, progress);
    return run_race(sweep, cost, options.confidence);
  };
  const auto round_finished = [&](const GreedyResult& so_far) {
    state = {.finished = so_far, .round = {}};
    saver.save(state);
    if (hooks.round_finished) hooks.round_finished(so_far);
  };
  GreedyResult finished = state.finished;
  return greedy_search(evaluator.model().spec().num_blocks, options.greedy, evaluate, round_finished,
                       std::move(finished));
}

}  // namespace sleb
