// SLEB's search on a model and a corpus.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "sleb/search/best.h"
#include "sleb/search/greedy.h"
#include "sleb/search/search_state.h"

namespace sleb {

enum class SearchKind {
  exact,  // every candidate on the whole corpus
  race,   // significantly worse candidates are dropped early; the winner's loss is the same to the bit
  best,   // a race, then races for better sets than it found
};

std::string_view name_of(SearchKind kind);

struct SearchOptions {
  GreedyOptions greedy;
  SearchKind kind = SearchKind::race;
  double confidence = 0.999;  // of a race: the chance that the best candidate is not dropped
  double budget = 1;          // of the search for better sets, in exact greedy searches
};

struct SearchResult {
  GreedyResult greedy;
  std::optional<BestResult> best = {};  // of a search for better sets
  Units units = Units::block;

  // What to remove: in greedy's order, or ascending where better sets were searched for.
  RemovalList removal_list() const;
  // Without it, on the whole text, in the reference's unit.
  double loss() const;
};

struct SearchHooks {
  // Gets the state after every round and race, before an interrupt ends the search, and now and then within a long one.
  // Where it is given, an interrupt waits for the end of the chunk of segments in work.
  std::function<void(const SearchState&)> save = {};
  RoundListener round_finished = {};
  RaceListener race_finished = {};
  MayGoOn may_go_on = {};  // of greedy's rounds
};

// Goes on from `state`. Throws what greedy_search, BestSearch and PlanEvaluator::evaluate throw.
SearchResult run_search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                        const SearchHooks& hooks, Progress& progress);

}  // namespace sleb
