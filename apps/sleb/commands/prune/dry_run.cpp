#include "apps/sleb/commands/prune/dry_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "apps/sleb/options/results.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/numbers.h"
#include "sleb/corpus/mixture.h"
#include "sleb/engine/memory/probe.h"
#include "sleb/engine/plans/operations.h"
#include "sleb/engine/sequences/self_text.h"
#include "sleb/eval/task_runner.h"

namespace sleb::app {
namespace {

// Of the exact search with nothing kept between rounds. Blocks are alike, so it does not matter which ones go.
Operations search_operations(const SearchToPlan& search) {
  const ModelSpec& spec = search.checkpoint.spec();
  const Corpus& corpus = search.calibration;
  Operations sum{0, 0};
  std::vector<int64_t> removed;
  for (int64_t round = 0; round < search.greedy.rounds(); ++round) {
    const std::vector<int64_t> candidates = candidates_after(removed, spec.num_blocks, search.greedy);
    std::vector<Plan> plans = plans_without(removed, candidates, search.greedy.units);
    plans.emplace_back();  // the dense model
    const Operations each = operations_of(spec, make_schedule(plans, spec.num_blocks), corpus.seqlen, corpus.scored());
    sum.blocks += static_cast<double>(corpus.segments) * each.blocks;
    sum.heads += static_cast<double>(corpus.segments) * each.heads;
    removed.push_back(candidates.front());
  }
  return sum;
}

// As many units as are going to be removed, the first that may be.
std::vector<int64_t> first_candidates(const SearchToPlan& search) {
  std::vector<int64_t> removed;
  for (int64_t round = 0; round < search.greedy.rounds(); ++round) {
    removed.push_back(candidates_after(removed, search.checkpoint.spec().num_blocks, search.greedy).front());
  }
  return removed;
}

// Of the dense and the pruned model on all texts and tasks, and of the repaired one by itself, about: a task's
// questions count as of their mean length.
Operations evaluation_operations(const SearchToPlan& search, bool repaired) {
  const ModelSpec& spec = search.checkpoint.spec();
  const Plan pruned = plan_without(first_candidates(search), search.greedy.units);
  std::vector<Schedule> schedules = {make_schedule(std::array{Plan(), pruned}, spec.num_blocks)};
  if (repaired) schedules.push_back(make_schedule({&pruned, 1}, spec.num_blocks));
  Operations sum{0, 0};
  const auto add = [&](int64_t count, int64_t tokens, int64_t scored) {
    for (const Schedule& schedule : schedules) {
      const Operations each = operations_of(spec, schedule, tokens, scored);
      sum.blocks += static_cast<double>(count) * each.blocks;
      sum.heads += static_cast<double>(count) * each.heads;
    }
  };
  for (const Corpus& text : search.evaluation.texts) add(text.segments, text.seqlen, text.scored());
  const TaskTokens tasks = tokens_of(search.evaluation.tasks);
  if (tasks.groups > 0) add(tasks.groups, tasks.total / tasks.groups, tasks.scored / tasks.groups);
  return sum;
}

// Of the dense model, and of the pruned one after each round.
Operations held_out_operations(const SearchToPlan& search, const Corpus* text) {
  Operations sum{0, 0};
  if (text == nullptr) return sum;
  const ModelSpec& spec = search.checkpoint.spec();
  std::vector<int64_t> removed = first_candidates(search);
  for (int64_t rounds = search.greedy.rounds(); rounds >= 0; --rounds) {
    const Plan plan = plan_without(removed, search.greedy.units);
    const Operations each =
        operations_of(spec, make_schedule({&plan, 1}, spec.num_blocks), text->seqlen, text->scored());
    sum.blocks += static_cast<double>(text->segments) * each.blocks;
    sum.heads += static_cast<double>(text->segments) * each.heads;
    if (!removed.empty()) removed.pop_back();
  }
  return sum;
}

// Of a repair that changes as many blocks as it may have to.
double repair_work(const SearchToPlan& search, const PlannedRepair& repair) {
  const RepairSize size = size_of(repair.task.texts);
  return repair_operations(search.checkpoint.spec(), first_candidates(search), size.seqlen,
                           size.segments * size.seqlen);
}

std::string repair_memory_text(const PlannedRepair& repair) {
  if (repair.memory.choice.states_place != StatesPlace::disk) return "predicted peak of the repair";
  return fmt::format("predicted peak of the repair, {} on disk", format_bytes(repair.memory.choice.states));
}

std::string repair_time_text(const PlannedRepair& repair) {
  const RepairSize size = size_of(repair.task.texts);
  return fmt::format("estimated, at most, on {} segments of {} tokens", size.segments, size.seqlen);
}

std::string evaluation_text(const EvaluationInputs& evaluation, bool repaired) {
  int64_t segments = 0;
  size_t questions = 0;
  for (const Corpus& text : evaluation.texts) segments += text.segments;
  for (const LoadedTask& task : evaluation.tasks) questions += task.questions.size();
  return fmt::format("estimated for {} segments of text and {} questions, {}", segments, questions,
                     repaired ? "dense, removed and repaired" : "dense and pruned");
}

std::string weights_text(const SearchMemory& memory, int64_t num_blocks) {
  const int64_t resident = memory.choice.residency.resident_blocks();
  return resident == num_blocks ? "all in memory"
                                : fmt::format("{} of {} blocks streamed", num_blocks - resident, num_blocks);
}

std::vector<const Corpus*> self_texts(const SearchToPlan& search, const PlannedRepair* repair) {
  std::vector<const Corpus*> texts = self_texts_of(search.calibration);
  const auto add = [&](const Corpus& text) {
    if (text.self_text) texts.push_back(&text);
  };
  for (const Corpus& text : search.evaluation.texts) add(text);
  if (repair == nullptr) return texts;
  for (const Corpus& text : repair->task.texts) add(text);
  return texts;
}

// Of a text that the model is to write, about.
double seconds_to_write(const SearchToPlan& search, const Corpus& text) {
  const SelfTextSheets sheets = self_text_sheets(search.checkpoint.spec(), text.self_text->tokens);
  const int64_t times = (sheets.count + sheets.batch - 1) / sheets.batch * sheets.tokens_each;
  return static_cast<double>(times) * probe_token_seconds(search.checkpoint, search.compute, sheets.batch);
}

std::string operations_text(double operations) {
  return operations < 1e12 ? fmt::format("{:.3g} GFLOP", operations / 1e9)
                           : fmt::format("{:.{}f} TFLOP", operations / 1e12, operations < 1e14 ? 1 : 0);
}

std::string rate_text(double rate) {
  return fmt::format("at {} a second", operations_text(rate));
}

std::string how_searched(SearchKind kind) {
  if (kind == SearchKind::best) return "as a race; then better sets";
  return kind == SearchKind::race ? "as a race" : "exact";
}

std::string time_text(const DryRun& run) {
  if (run.may_end_earlier) return "estimated, at most: for as many rounds as there can be";
  if (run.kind == SearchKind::best) return fmt::format("estimated, at most, for --search-budget {}", run.budget);
  return run.kind == SearchKind::race ? "estimated for the exact search; a race takes less" : "estimated";
}

OrderedJson repair_json(const PlannedRepair& repair, double seconds) {
  const RepairSize size = size_of(repair.task.texts);
  const RepairMemory& memory = repair.memory.choice;
  return {{"segments", size.segments},
          {"seqlen", size.seqlen},
          {"memory",
           {{"resident_blocks", memory.residency.resident_blocks()},
            {"states", memory.states},
            {"states_on_disk", memory.states_place == StatesPlace::disk},
            {"peak", repair.memory.peak},
            {"free", repair.memory.free}}},
          {"seconds", seconds}};
}

struct Line {
  std::string what, value, note;
};

void print_lines(const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    const std::string text = fmt::format("{:<16}{:>11}  {}", line.what, line.value, line.note);
    print("{}\n", text.substr(0, text.find_last_not_of(' ') + 1));
  }
}

}  // namespace

void show_dry_run(const DryRun& run, const SearchToPlan& search, const SearchMemory& memory,
                  const PlannedRepair* repair) {
  const ModelSpec& spec = search.checkpoint.spec();
  const Corpus& corpus = search.calibration;
  const int64_t candidates = std::ssize(candidates_after({}, spec.num_blocks, search.greedy));
  const MemoryPrediction& prediction = memory.prediction;
  Operations operations = search_operations(search);
  if (run.kind == SearchKind::best) {
    operations.blocks *= std::max(1.0, run.budget);
    operations.heads *= std::max(1.0, run.budget);
  }
  const Rates rates = probe_rates(search.checkpoint, search.compute,
                                  {.segments = memory.choice.chunk_segments, .seqlen = corpus.seqlen});
  const auto seconds_of = [&](const Operations& work) { return work.blocks / rates.blocks + work.heads / rates.heads; };
  const double seconds = seconds_of(operations);
  const double evaluation_seconds = seconds_of(evaluation_operations(search, repair != nullptr));
  const double held_out_seconds = seconds_of(held_out_operations(search, run.held_out));
  const double repair_seconds = repair == nullptr ? 0 : repair_work(search, *repair) / rates.blocks;

  const std::vector<const Corpus*> unwritten = self_texts(search, repair);
  double writing = 0;
  for (const Corpus* text : unwritten) writing += seconds_to_write(search, *text);

  if (!run.json.empty()) {
    OrderedJson json = {{"model", run.model},
                        {"num_blocks", spec.num_blocks},
                        {"dtype", search.compute.dtype},
                        {"device", search.compute.device},
                        {"threads", search.compute.threads},
                        {"calibration", {{"segments", corpus.segments}, {"seqlen", corpus.seqlen}}},
                        {"candidates", candidates},
                        {"rounds", search.greedy.rounds()},
                        {"search", name_of(run.kind)},
                        {"memory",
                         {{"weights", prediction.weights},
                          {"resident_blocks", memory.choice.residency.resident_blocks()},
                          {"states", prediction.states},
                          {"segments_at_a_time", memory.choice.chunk_segments},
                          {"kept_states", prediction.kept},
                          {"other", prediction.other},
                          {"program", memory.process.resident},
                          {"peak", memory.peak()},
                          {"free", memory.free}}},
                        {"operations", {{"blocks", operations.blocks}, {"head", operations.heads}}},
                        {"operations_per_second", {{"blocks", rates.blocks}, {"head", rates.heads}}},
                        {"seconds", seconds},
                        {"seconds_to_write_texts", writing},
                        {"evaluation_seconds", evaluation_seconds}};
    if (run.held_out != nullptr) json["held_out_seconds"] = held_out_seconds;
    if (repair != nullptr) json["repair"] = repair_json(*repair, repair_seconds);
    write_json(run.json, json);
  }
  if (run.json == "-") return;
  print("{}: {} blocks; {} segments of {} tokens; {} on {}, {} threads\n", run.model, spec.num_blocks, corpus.segments,
        corpus.seqlen, search.compute.dtype, search.compute.device, search.compute.threads);
  print("{} candidates at first, {} round{}{}, {}\n\n", candidates, search.greedy.rounds(),
        search.greedy.rounds() == 1 ? "" : "s", run.may_end_earlier ? " at most" : "", how_searched(run.kind));
  std::vector<Line> lines = {
      {"weights", format_bytes(prediction.weights), weights_text(memory, spec.num_blocks)},
      {"states", format_bytes(prediction.states),
       fmt::format("{} segment{} at a time", memory.choice.chunk_segments,
                   memory.choice.chunk_segments == 1 ? "" : "s")},
      {"kept states", format_bytes(prediction.kept),
       run.kind == SearchKind::exact ? "between rounds" : "between rounds, at most"},
      {"other", format_bytes(prediction.other), "activations, logits, what loading takes on top"}};
  if (memory.is_on_cpu) {
    lines.insert(lines.begin(), {"program", format_bytes(memory.process.resident), "before the model is loaded"});
    lines.push_back({"predicted peak", format_bytes(memory.peak()), "maximum resident set size"});
    lines.push_back({"free", format_bytes(memory.free), "beyond what the program has"});
  } else {
    lines.push_back({"predicted peak", format_bytes(memory.peak()), "on GPUs"});
    lines.push_back({"free", format_bytes(memory.free), ""});
  }
  if (repair != nullptr) lines.push_back({"repair", format_bytes(repair->memory.peak), repair_memory_text(*repair)});
  print_lines(lines);
  print("\n");
  lines = {{"blocks", operations_text(operations.blocks), rate_text(rates.blocks)},
           {"head", operations_text(operations.heads), rate_text(rates.heads)},
           {"time", format_seconds(seconds), time_text(run)}};
  if (run.held_out != nullptr) {
    lines.push_back({"held out", format_seconds(held_out_seconds),
                     fmt::format("estimated, at most, for {} segments after each round", run.held_out->segments)});
  }
  if (!unwritten.empty()) {
    lines.push_back({"writing text", format_seconds(writing), "estimated; nothing if it is kept"});
  }
  if (repair != nullptr) lines.push_back({"repair", format_seconds(repair_seconds), repair_time_text(*repair)});
  if (!search.evaluation.empty()) {
    lines.push_back(
        {"evaluation", format_seconds(evaluation_seconds), evaluation_text(search.evaluation, repair != nullptr)});
  }
  print_lines(lines);
}

}  // namespace sleb::app
