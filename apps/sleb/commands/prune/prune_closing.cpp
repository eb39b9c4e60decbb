#include "apps/sleb/commands/prune/prune_closing.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "apps/sleb/options/report_file.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/file.h"
#include "sleb/base/numbers.h"
#include "sleb/eval/latency.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/export/recipe.h"
#include "sleb/report/run_record.h"

namespace sleb::app {
namespace {

constexpr int64_t prompt_repeats = 5;

void show(const PruneReport& report, const PruneArguments& arguments, const ExportOptions& output, TableFormat format,
          Progress& progress) {
  const std::string tables = text_of(tables_of(report), format);
  if (arguments.results.format) {
    write_output(tables);
    if (!arguments.out.empty()) progress.note(fmt::format("written: {}", arguments.out));
    if (!arguments.report.empty()) progress.note(fmt::format("written: {}", arguments.report));
    return;
  }
  print("removal list: {}\n\n{}", text_of(output.removal_list), tables);
  if (report.repair) print("\nrepair: {}\n", in_words(report.repair->summary));
  if (!arguments.out.empty()) print("\nwritten: {}\n", arguments.out);
  if (!arguments.report.empty()) print("{}written: {}\n", arguments.out.empty() ? "\n" : "", arguments.report);
}

}  // namespace

PromptSpeed measure_prompt_speed(const Model& model, const Plan& pruned, int64_t prompt_tokens, Progress& progress) {
  const std::array plans = {Plan(), pruned};
  const LatencyOptions options{.mode = LatencyMode::prompt,
                               .prompt_tokens = prompt_tokens,
                               .logits = LogitRows::last,
                               .repeats = prompt_repeats};
  const LatencyComparison speed = measure_latency(model, plans, options, progress);
  const auto tokens = static_cast<double>(prompt_tokens);
  const auto &dense = speed.models[0].seconds, &without = speed.models[1].seconds;
  return {prompt_tokens, tokens / median(dense), tokens / median(without), dense, without};
}

void compare(PruneReport& report, const PruneArguments& arguments, const ExportOptions& output, const Model& model,
             EvaluationInputs inputs, const EvaluationRun& run, Progress& progress) {
  ExportOptions all_blocks = output;
  all_blocks.removal_list.clear();
  const ExportSize dense = export_size(model.checkpoint(), all_blocks);
  const ExportSize pruned = export_size(model.checkpoint(), output);
  const auto blocks = static_cast<double>(report.num_blocks);
  report.dense_size = {blocks, dense.parameters, dense.bytes};
  report.pruned_size = {blocks - blocks_in(output.removal_list), pruned.parameters, pruned.bytes};
  if (!inputs.empty()) {
    EvalReport evaluation{.model = report.model,
                          .num_blocks = report.num_blocks,
                          .compute = report.compute,
                          .removal_lists = {output.removal_list},
                          .protocol = EvaluationProtocol::reference};
    evaluate(std::move(inputs), model, run, evaluation, progress);
    report.evaluation = std::move(evaluation);
  }
  if (arguments.prompt_tokens > 0 && !report.speed) {
    const Plan plan = plan_without(output.removal_list);
    report.speed = measure_prompt_speed(model, plan, arguments.prompt_tokens, progress);
  }
}

void write_recipe(const std::string& path, const OrderedJson& result) {
  if (path.empty()) return;
  const Json json = parse_json(result.dump(), "the result");
  const ResultSets read(JsonView(json, "the result"));
  write_file_atomically(path, text_of(recipe_of(read, read.removal_list())));
}

void finish(const PruneReport& report, const PruneArguments& arguments, const Checkpoint& checkpoint,
            const ExportOptions& output, TableFormat format, KeptRounds& kept_rounds, Progress& progress) {
  const OrderedJson json = to_json(report);
  if (!arguments.out.empty()) {
    const std::string picture = picture_of(json, output.removal_list, report.num_blocks);
    write_pruned_checkpoint(checkpoint, output, {model_card(report), json, picture}, progress);
  }
  write_recipe(arguments.recipe, json);
  write_json(arguments.results.json, json);
  write_report(arguments.report, json);
  kept_rounds.remove();
  if (!arguments.results.json_to_output()) show(report, arguments, output, format, progress);
  add_record(arguments.record, run_record(report));
}

}  // namespace sleb::app
