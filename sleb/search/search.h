// SLEB's search on a model and a corpus.
#pragma once

#include <functional>

#include "sleb/search/greedy.h"
#include "sleb/search/search_state.h"

namespace sleb {

enum class SearchKind {
  exact,  // every candidate on the whole corpus
  race,   // significantly worse candidates are dropped early; the winner's loss is the same to the bit
};

struct SearchOptions {
  GreedyOptions greedy;
  SearchKind kind = SearchKind::race;
  double confidence = 0.999;  // of a race: the chance, a round, that the best candidate is not dropped
};

struct SearchHooks {
  // Gets the state after every round, before an interrupt ends the search, and now and then within a long round. Where
  // it is given, an interrupt waits for the end of the chunk of segments in work.
  std::function<void(const SearchState&)> save = {};
  RoundListener round_finished = {};
};

// Goes on from `state`. Throws what greedy_search and PlanEvaluator::evaluate throw.
GreedyResult run_search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                        const SearchHooks& hooks, Progress& progress);

}  // namespace sleb
