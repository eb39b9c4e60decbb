// A repair, from texts to changed tensors: what `sleb repair` and `sleb prune --repair` have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/sleb/commands/repair/repair_text.h"
#include "sleb/base/progress.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/model.h"
#include "sleb/engine/repair/repair.h"
#include "sleb/engine/repair/repair_memory.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/repair_report.h"

namespace sleb::app {

// Where files without a name are put: beside the output, or where temporary files are.
std::filesystem::path scratch_folder(const ExportOptions& output);
// What the output asks of the repair.
RepairOptions repair_options(const Checkpoint& checkpoint, const ExportOptions& output);

// Segments, and what the model is to write of them.
RepairSize size_of(const std::vector<Corpus>& texts);

struct RepairMemoryLimits {
  uint64_t weights = 0;            // bytes; 0: what is free
  std::optional<uint64_t> states;  // bytes; nothing: what is free
};
struct PlannedRepairMemory {
  RepairMemory choice;
  uint64_t peak;  // bytes, of the process, or taken on a GPU
  uint64_t free;
};
// Of a repair beside which there is no model. Throws Error(bad_input), naming the least that would do, if it does not
// fit the memory that is free.
PlannedRepairMemory plan_repair_memory(const Checkpoint& checkpoint, const Compute& compute, const RepairSize& size,
                                       const RepairMemoryLimits& limits);
// `label` begins each line.
void note_memory(const PlannedRepairMemory& memory, const std::string& label, Progress& progress);

struct RepairTask {
  std::vector<Corpus> texts;
  uint64_t seed = 0;  // of the texts
};
struct FinishedRepair {
  Repair repair;
  RepairSummary summary;
};
// Lets the model write what texts want of its own.
FinishedRepair run_repair(const Model& model, RepairTask task, const RepairOptions& options, Progress& progress);

}  // namespace sleb::app
