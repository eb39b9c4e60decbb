// The search of `sleb prune`: what it shows, what it keeps, and where a condition ends it.
#pragma once

#include "apps/sleb/commands/prune/choose_size.h"
#include "apps/sleb/commands/prune/kept_rounds.h"
#include "sleb/base/progress.h"
#include "sleb/engine/sweep/plan_evaluator.h"
#include "sleb/search/search.h"

namespace sleb::app {

// Goes on from `state`. `chooser`: who ends it, all of whose figures are there afterwards; nullptr: nobody. Throws what
// run_search and SizeChooser throw.
SearchResult search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                    SizeChooser* chooser, KeptRounds& kept_rounds, Progress& progress);

}  // namespace sleb::app
