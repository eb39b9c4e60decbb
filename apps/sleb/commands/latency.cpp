// sleb latency: how much faster a model is without given blocks.

#include <fmt/core.h>

#include <cmath>
#include <memory>
#include <optional>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/found_sets.h"
#include "apps/sleb/options/removal_lists.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/options/run_records.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/engine/memory/weight_memory.h"
#include "sleb/engine/sequences/generator.h"
#include "sleb/report/latency_report.h"
#include "sleb/report/run_record.h"

namespace sleb::app {
namespace {

struct LatencyArguments {
  std::string model;
  std::vector<std::string> removal_lists;
  FoundSets found_sets;
  double removal_ratio = 0.2;
  std::string mode = "generation";
  std::string logits = "all";
  // 0: as many as the mode takes.
  int64_t batch = 0;
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  int64_t repeats = 0;
  int64_t warmups = 1;
  uint64_t seed = 0;
  ComputeOptions compute;
  ResultArguments results;
  RecordArguments record{.usual_file = "latency.txt"};
  bool force = false;
};

// For a ratio: that many, rounded up, of the last blocks but the very last. Which ones does not matter for speed.
std::vector<RemovalList> lists_of(const LatencyArguments& arguments, const ModelSpec& spec) {
  if (!arguments.removal_lists.empty()) return parse_removal_lists(arguments.removal_lists, spec);
  const int64_t num_blocks = spec.num_blocks;
  const auto count = static_cast<int64_t>(std::ceil(arguments.removal_ratio * static_cast<double>(num_blocks)));
  if (count >= num_blocks) {
    bad_input("--removal-ratio {}: all {} blocks would go", arguments.removal_ratio, num_blocks);
  }
  RemovalList list;
  const int64_t first = std::max<int64_t>(0, num_blocks - 1 - count);
  for (int64_t block = first; block < first + count; ++block) list.emplace_back(block);
  return {list};
}

// The reference's settings where none are given.
LatencyOptions options_of(const LatencyArguments& arguments, const ModelSpec& spec) {
  const bool generation = arguments.mode == "generation";
  const auto given_or = [](int64_t value, int64_t otherwise) { return value > 0 ? value : otherwise; };
  LatencyOptions options;
  options.mode = generation ? LatencyMode::generation : LatencyMode::prompt;
  options.batch = given_or(arguments.batch, generation ? 64 : 1);
  options.prompt_tokens = given_or(arguments.prompt_tokens, generation ? 64 : 2048);
  options.new_tokens = generation ? given_or(arguments.new_tokens, 128) : 0;
  options.repeats = given_or(arguments.repeats, generation ? 10 : 50);
  options.warmups = arguments.warmups;
  options.logits = arguments.logits == "all" ? LogitRows::all : LogitRows::last;
  options.seed = arguments.seed;
  check_sequence_length(spec, options.prompt_tokens + options.new_tokens, "--prompt-tokens and --new-tokens");
  return options;
}

// What can be said without the model.
void check(const LatencyArguments& arguments) {
  const bool generation = arguments.mode == "generation";
  if (!generation && arguments.new_tokens > 0) bad_input("--new-tokens: --mode prompt generates none");
  if (generation && arguments.logits == "last") bad_input("--logits last: --mode generation computes no others");
}

void run(LatencyArguments arguments, Session& session) {
  check(arguments);
  const TableFormat format = table_format(arguments.results.table_format());
  check_one_output(arguments.results);
  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  guard.reads_result(arguments.found_sets.result);
  guard.writes_file("--json", arguments.results.json, arguments.force);
  guard_record(guard, arguments.record);
  check_compute(arguments.compute);
  read_found_sets(arguments.found_sets, arguments.removal_lists);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  const ModelSpec& spec = checkpoint.spec();
  LatencyReport report;
  report.model = arguments.model;
  report.num_blocks = spec.num_blocks;
  check_found_sets(arguments.found_sets, arguments.model, source, checkpoint, session.progress);
  report.removal_lists = lists_of(arguments, spec);
  if (arguments.removal_lists.empty()) report.removal_ratio = arguments.removal_ratio;
  report.options = options_of(arguments, spec);

  const Model model(checkpoint, arguments.compute, session.progress);
  report.compute = model.compute();
  session.progress.note(fmt::format("{}: {} blocks; {} on {}, {} threads", arguments.model, spec.num_blocks,
                                    model.compute().dtype, model.compute().device, model.compute().threads));
  std::vector<Plan> plans = {Plan()};
  for (const auto& list : report.removal_lists) plans.push_back(plan_without(list));
  const int64_t length = report.options.prompt_tokens + report.options.new_tokens;
  for (size_t i = 0; i < plans.size(); ++i) {
    const int64_t parameters = spec.parameters() - (i == 0 ? 0 : parameters_of(report.removal_lists[i - 1], spec));
    report.weight_bytes.push_back(static_cast<uint64_t>(parameters) * bytes_per_element(model.compute()) -
                                  saved_by_packing(spec, model.compute(), stored_forms(checkpoint), plans[i]));
    report.kv_cache_bytes.push_back(kv_cache_bytes(spec, model.compute(), plans[i], report.options.batch, length));
  }
  report.comparison = measure_latency(model, plans, report.options, session.progress);
  write_json(arguments.results.json, to_json(report));
  if (!arguments.results.json_to_output()) write_output(latency_table(report, format));
  add_record(arguments.record, run_record(report));
}

void add_measurement(CLI::App& command, LatencyArguments& arguments) {
  command.add_option("--mode", arguments.mode, "generation (prompt and new tokens) or prompt (one forward pass)")
      ->capture_default_str()
      ->check(CLI::IsMember({"generation", "prompt"}))
      ->type_name("KIND");
  const auto add_count = [&](const std::string& name, int64_t& value, const std::string& description) {
    command.add_option(name, value, description)->check(CLI::Range(1, 1 << 20))->type_name("N");
  };
  add_count("--batch-size", arguments.batch, "Sequences at once (generation: 64, prompt: 1)");
  add_count("--prompt-tokens", arguments.prompt_tokens, "Tokens of each prompt (generation: 64, prompt: 2048)");
  add_count("--new-tokens", arguments.new_tokens, "Tokens to generate, exactly (generation: 128)");
  add_count("--repeats", arguments.repeats, "Timed runs of each model (generation: 10, prompt: 50)");
  command.add_option("--warmups", arguments.warmups, "Runs before them that don't count")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("N");
  command.add_option("--logits", arguments.logits, "Prompt: logits of all positions or of the last")
      ->capture_default_str()
      ->check(CLI::IsMember({"all", "last"}))
      ->type_name("ROWS");
  command.add_option("--seed", arguments.seed, "Of the prompts' random ids")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("S");
}

}  // namespace

void add_latency(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("latency", "Measure how much faster a model is without given blocks");
  auto arguments = std::make_shared<LatencyArguments>();
  add_model(*command, arguments->model);
  add_removal_lists(*command, arguments->removal_lists, "a further column of the table");
  add_found_sets(*command, arguments->found_sets, SetsTaken::several);
  command->add_option("--removal-ratio", arguments->removal_ratio, "Without a list: share of the blocks, rounded up")
      ->capture_default_str()
      ->check(between(1e-6, 1))
      ->excludes(command->get_option("--removal-list"))
      ->excludes(command->get_option("--from"))
      ->type_name("R");
  add_measurement(*command, *arguments);
  add_compute(*command, arguments->compute);
  add_packed(*command, arguments->compute);
  add_measured_results(*command, arguments->results, arguments->force, arguments->record);
  command->footer(
      "Examples:\n"
      "  sleb latency HuggingFaceTB/SmolLM2-135M --removal-list 12,26,13\n"
      "  sleb latency HuggingFaceTB/SmolLM2-135M --removal-ratio 0.2 \\\n"
      "      --mode prompt --repeats 5\n"
      "  sleb latency model.gguf --batch-size 1 --new-tokens 64 -o csv\n"
      "The published code's options are taken too: docs/reference.md says which.");
  command->callback([arguments, &session] {
    check_alone(session, "latency");
    run(*arguments, session);
  });
}

}  // namespace sleb::app
