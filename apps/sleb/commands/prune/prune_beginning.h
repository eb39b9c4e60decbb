// Where the search of `sleb prune` begins: anew, after the rounds that an earlier run kept, or not at all, as the
// result is there already.
#pragma once

#include <optional>

#include "apps/sleb/commands/eval/evaluation.h"
#include "apps/sleb/commands/prune/kept_rounds.h"
#include "apps/sleb/commands/prune/prune_arguments.h"
#include "sleb/base/progress.h"
#include "sleb/engine/processes/process_group.h"
#include "sleb/engine/sweep/plan_evaluator.h"
#include "sleb/search/search_state.h"

namespace sleb::app {

// What the losses depend on.
Fingerprint fingerprint(const PruneArguments& arguments, const SearchOptions& options, const PlanEvaluator& evaluator,
                        Progress& progress);

// All ranks compute the same: machines may differ in what they compute with, not in what they compute.
void agree(ProcessGroup& processes, const Fingerprint& fingerprint);

// What is asked for now.
struct PruneTask {
  const PruneArguments& arguments;
  const Checkpoint& checkpoint;
  ExportOptions& output;
  const EvaluationInputs& evaluation;
};
// What an earlier run has to agree in: for its search to be gone on with, and for its result to be this one.
struct Fingerprints {
  const Fingerprint& search;
  const Fingerprint& result;
};
// Nothing: an earlier run has finished it, and the user is told, with what of `task` that run did not do.
std::optional<SearchState> beginning(const PruneTask& task, const Fingerprints& fingerprints, KeptRounds& kept_rounds,
                                     Progress& progress, ProcessGroup* processes);

}  // namespace sleb::app
