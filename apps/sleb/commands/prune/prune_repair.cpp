#include "apps/sleb/commands/prune/prune_repair.h"

#include <fmt/ranges.h>

#include <utility>

#include "apps/sleb/options/texts.h"
#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/corpus/self_text_cache.h"
#include "sleb/eval/perplexity.h"

namespace sleb::app {
namespace {

// Segments, seed and BOS are the calibration's, and its texts are among them where the user names none.
RepairTextArguments texts_of(const PruneArguments& arguments) {
  const CalibrationArguments& calibration = arguments.calibration;
  RepairTextArguments texts = arguments.repair_text;
  texts.seqlen = calibration.options.seqlen;
  texts.seed = calibration.options.seed;
  texts.bos = calibration.bos;
  if (!texts.datasets.empty()) return texts;
  texts.datasets = {"self"};
  if (!calibration.reads_dataset()) return texts;
  for (const std::string& given : calibration.texts()) {
    const std::string own = text_of(given);
    if (own != "self" && !own.starts_with("self:")) texts.datasets.push_back(own);
  }
  return texts;
}

bool same(const Residency& one, const Residency& other) {
  return one.is_resident == other.is_resident && one.devices == other.devices;
}

}  // namespace

void check_repair(const PruneArguments& arguments) {
  if (arguments.repair) return check_repair_texts(texts_of(arguments));
  if (!arguments.repair_text.datasets.empty()) bad_input("--repair-dataset needs --repair");
  if (arguments.repair_text.tokens > 0) bad_input("--repair-tokens needs --repair");
}

std::optional<RepairTask> load_repair(const PruneArguments& arguments, const Checkpoint& checkpoint,
                                      const ExportOptions& output, Progress& progress) {
  if (!arguments.repair) return {};
  check_repairable(checkpoint, repair_options(checkpoint, output), arguments.model);
  const RepairTextArguments texts = texts_of(arguments);
  RepairTask task{load_repair_texts(checkpoint, texts, progress), texts.seed};
  check_repair_text(checkpoint.spec(), task.texts);
  return task;
}

void add_to(Fingerprint& fingerprint, const RepairTask& task) {
  std::vector<std::string> texts;
  for (const Corpus& text : task.texts) {
    texts.push_back(fmt::format("{} segments of {}", text.segments,
                                text.self_text ? to_json(*text.self_text).dump() : text.ids_sha256));
  }
  fingerprint.add("the repair's texts", fmt::format("{}", fmt::join(texts, ", ")));
}

PlannedRepair plan_repair(RepairTask task, const Checkpoint& checkpoint, const Compute& compute,
                          const PruneArguments& arguments) {
  const RepairMemoryLimits limits{arguments.compute.weights_memory, arguments.state_memory};
  const PlannedRepairMemory memory = plan_repair_memory(checkpoint, compute, size_of(task.texts), limits);
  return {std::move(task), memory};
}

std::optional<FinishedRepair> repair_pruned(const LoadedModel& loaded, const PlannedRepair& planned,
                                            const ExportOptions& output, Progress& progress) {
  const std::string nothing =
      nothing_to_repair(whole_blocks(output.removal_list, "--repair"), loaded.checkpoint.spec().num_blocks);
  if (!nothing.empty()) {
    progress.note("warning: not repaired: " + nothing);
    return {};
  }
  const RepairMemory& memory = planned.memory.choice;
  if (!same(memory.residency, loaded.residency)) {
    loaded.model.reset();
    loaded.model.emplace(loaded.checkpoint, loaded.compute, memory.residency, progress);
  }
  give_back_freed();
  RepairOptions options = repair_options(loaded.checkpoint, output);
  options.states_place = memory.states_place;
  return run_repair(*loaded.model, planned.task, options, progress);
}

void evaluate_repair(PruneReport& report, const LoadedModel& loaded, RepairSummary summary, const Corpus& calibration,
                     const EvaluationRun& run, Progress& progress) {
  loaded.model.emplace(loaded.checkpoint, loaded.compute, loaded.residency, progress);
  const Plan plan = plan_without(report.result.removal_list());
  const PlanEvaluator evaluator(*loaded.model, calibration, 0, run.chunk_segments);
  const PlanLoss loss = evaluate_alone(evaluator, plan, progress);
  report.repair = {std::move(summary), reference_loss(loss.total_nll(), calibration.seqlen)};
  if (report.evaluation) evaluate_repaired(*loaded.model, run, *report.evaluation, progress);
}

}  // namespace sleb::app
