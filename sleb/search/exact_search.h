// SLEB's search with every candidate evaluated on the whole corpus.
#pragma once

#include <functional>

#include "sleb/search/search_state.h"

namespace sleb {

struct ExactSearchHooks {
  // Gets the state after every round, before an interrupt ends the search, and now and then within a long round. Where
  // it is given, an interrupt waits for the end of the chunk of segments in work.
  std::function<void(const SearchState&)> save = {};
  RoundListener round_finished = {};
};

// Goes on from `state`. Throws what greedy_search and PlanEvaluator::evaluate throw.
GreedyResult exact_search(const PlanEvaluator& evaluator, const GreedyOptions& options, SearchState state,
                          const ExactSearchHooks& hooks, Progress& progress);

}  // namespace sleb
