// A repair, from texts to changed tensors: what `sleb repair` and `sleb prune --repair` have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "apps/sleb/commands/repair_text.h"
#include "sleb/base/progress.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/repair/repair.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/repair_report.h"

namespace sleb::app {

// What the output asks of the repair.
RepairOptions repair_options(const Checkpoint& checkpoint, const ExportOptions& output);

struct RepairTask {
  std::vector<Corpus> texts;
  uint64_t seed = 0;                     // of the texts
  std::optional<uint64_t> state_memory;  // bytes; nothing: what is free
};
struct FinishedRepair {
  Repair repair;
  RepairSummary summary;
  Compute compute;
};
// Loads the model, as much of it as fits, and lets it write what texts want of its own. Throws Error(bad_input), naming
// the least that would do, if the repair does not fit the memory that is free.
FinishedRepair run_repair(const Checkpoint& checkpoint, const ComputeOptions& compute, RepairTask task,
                          const RepairOptions& options, Progress& progress);

}  // namespace sleb::app
