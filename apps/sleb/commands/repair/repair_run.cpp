#include "apps/sleb/commands/repair/repair_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/self_text.h"
#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/base/numbers.h"
#include "sleb/base/stopwatch.h"
#include "sleb/engine/memory/probe.h"

namespace sleb::app {
namespace {

RepairSummary summary_of(const Repair& repair, std::vector<Corpus> texts, uint64_t seed) {
  RepairSummary summary{.texts = std::move(texts),
                        .seed = seed,
                        .fitted_segments = repair.fitted_segments,
                        .held_out_segments = repair.held_out_segments,
                        .matrices = repair.matrices,
                        .changed_tensors = {},
                        .seconds = 0};
  for (Corpus& text : summary.texts) text.ids.clear();
  for (const ChangedTensor& tensor : repair.tensors) summary.changed_tensors.push_back(tensor.name);
  return summary;
}

}  // namespace

std::filesystem::path scratch_folder(const ExportOptions& output) {
  return output.out.empty() ? std::filesystem::temp_directory_path() : followed(output.out).parent_path();
}

RepairOptions repair_options(const Checkpoint& checkpoint, const ExportOptions& output) {
  RepairOptions options;
  options.removal_list = whole_blocks(output.removal_list, "--removal-list");
  options.type_of = [&checkpoint, output](const std::string& name) {
    const StoredType type = written_type(checkpoint, name, output);
    // What is converted to a GGUF is quantised when it is written.
    return type == StoredType::q8_0 && !checkpoint.is_gguf() ? StoredType::f32 : type;
  };
  options.scratch = scratch_folder(output);
  return options;
}

RepairSize size_of(const std::vector<Corpus>& texts) {
  RepairSize size{.segments = 0, .seqlen = texts.front().seqlen};
  for (const Corpus& text : texts) {
    size.segments += text.segments;
    if (text.self_text) size.self_text = std::max(size.self_text, text.self_text->tokens);
  }
  return size;
}

PlannedRepairMemory plan_repair_memory(const Checkpoint& checkpoint, const Compute& compute, const RepairSize& size,
                                       const RepairMemoryLimits& given) {
  warm_up(compute);
  give_back_freed();
  const bool is_on_cpu = compute.device == "cpu";
  const ProcessMemory before = process_memory();
  RepairLimits limits{.free = available_memory(),
                      .host_free = available_memory(),
                      .weights_memory = given.weights,
                      .state_memory = given.states};
  if (!is_on_cpu) {
    const uint64_t device_free = free_memory(compute)[0];
    limits.free = device_free - left_to_libtorch(device_free);
  }
  const StoredForms forms = stored_forms(checkpoint);
  const auto memory = sleb::plan_repair_memory(checkpoint.spec(), compute, forms, size, limits);
  if (!memory) {
    bad_input(
        "{}: the repair takes {} more than the program has already, and {} are free; give less --repair-tokens or "
        "--weights-memory",
        checkpoint.path().string(), format_bytes(least_repair_memory(checkpoint.spec(), compute, forms, size)),
        format_bytes(limits.free));
  }
  const uint64_t growth = memory->growth.resident;
  return {*memory, is_on_cpu ? std::max(before.peak, before.resident + growth) : growth, limits.free};
}

void note_memory(const PlannedRepairMemory& memory, const std::string& label, Progress& progress) {
  progress.note(fmt::format("{}: a peak of {} is expected, {} are free", label, format_bytes(memory.peak),
                            format_bytes(memory.free)));
  if (memory.choice.states_place != StatesPlace::disk) return;
  progress.note(fmt::format("{}: {} of hidden states go to the disk", label, format_bytes(memory.choice.states)));
}

FinishedRepair run_repair(const Model& model, RepairTask task, const RepairOptions& options, Progress& progress) {
  for (Corpus& text : task.texts) fill_self_text(model, text, nullptr, progress);
  const Corpus text = joined(task.texts);
  progress.note(fmt::format("repair: {} segments of {} tokens of {}; {}", text.segments, text.seqlen, text.name,
                            how_computed(model.compute())));
  const auto start = std::chrono::steady_clock::now();
  FinishedRepair finished{repair(model, text, options, progress), {}};
  finished.summary = summary_of(finished.repair, std::move(task.texts), task.seed);
  finished.summary.seconds = seconds_since(start);
  for (const std::string& line : experts_left(finished.summary)) progress.note("repair: " + line);
  return finished;
}

}  // namespace sleb::app
