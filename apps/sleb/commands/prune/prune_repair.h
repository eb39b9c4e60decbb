// The repair of `sleb prune --repair`, between its search and its output.
#pragma once

#include <optional>
#include <string>

#include "apps/sleb/commands/eval/evaluation.h"
#include "apps/sleb/commands/prune/prune_arguments.h"
#include "apps/sleb/commands/repair/repair_run.h"
#include "sleb/base/progress.h"
#include "sleb/engine/model.h"
#include "sleb/engine/plans/residency.h"
#include "sleb/report/prune_report.h"

namespace sleb::app {

// What can be said before the model is there. Throws Error(bad_input) for options of the repair without --repair, and
// what check_repair_texts throws.
void check_repair(const PruneArguments& arguments);

// The texts; nothing without --repair. Throws Error(bad_input) for a model or texts that can't be repaired with.
std::optional<RepairTask> load_repair(const PruneArguments& arguments, const Checkpoint& checkpoint,
                                      const ExportOptions& output, Progress& progress);

// What a repair's outcome depends on beside what the search's does.
void add_to(Fingerprint& fingerprint, const RepairTask& task);

// As it is before the search, with everything loaded and planned.
struct PlannedRepair {
  RepairTask task;
  PlannedRepairMemory memory;
};

// Throws Error(bad_input), naming the least that would do, if the repair does not fit the memory that is free.
PlannedRepair plan_repair(RepairTask task, const Checkpoint& checkpoint, const Compute& compute,
                          const PruneArguments& arguments);

// Where the model is, and how it is loaded for searches and evaluations.
struct LoadedModel {
  const Checkpoint& checkpoint;
  const Compute& compute;
  const Residency& residency;
  std::optional<Model>& model;
};
// Repairs the dense model that `loaded` holds for the report's removal list, loading it anew where the repair's memory
// wants it otherwise. Nothing, with a note, where no block is left to repair.
std::optional<FinishedRepair> repair_pruned(const LoadedModel& loaded, const PlannedRepair& planned,
                                            const ExportOptions& output, Progress& progress);

// Fills what the report says of the repaired model, which is loaded in place of the dense one: `loaded.checkpoint` has
// its tensors already.
void evaluate_repair(PruneReport& report, const LoadedModel& loaded, RepairSummary summary, const Corpus& calibration,
                     const EvaluationRun& run, Progress& progress);

}  // namespace sleb::app
