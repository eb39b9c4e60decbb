// sleb eval: what a model loses without given blocks.

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/commands/eval/evaluation.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/found_sets.h"
#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/removal_lists.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/options/run_records.h"
#include "apps/sleb/options/self_text.h"
#include "apps/sleb/options/texts.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/datasets/dataset_files.h"
#include "sleb/report/eval_report.h"
#include "sleb/report/run_record.h"

namespace sleb::app {
namespace {

struct EvalArguments {
  std::string model;
  std::vector<std::string> removal_lists;
  FoundSets found_sets;
  std::vector<std::string> texts;
  int64_t segments = 0;  // 0: all
  int64_t seqlen = 0;    // 0: the protocol's
  std::string protocol = "reference";
  std::string bos;  // "": by the model
  TaskArguments tasks;
  ComputeOptions compute;
  ResultArguments results;
  RecordArguments record{.usual_file = "eval.txt"};
  bool force = false;
};

EvaluationOptions evaluation_options(const EvalArguments& arguments) {
  EvaluationOptions options;
  options.protocol = evaluation_protocol(arguments.protocol);
  options.seqlen = options.protocol == EvaluationProtocol::llama_cpp ? 512 : 2048;
  if (arguments.seqlen > 0) options.seqlen = arguments.seqlen;
  if (arguments.segments > 0) options.segments = arguments.segments;
  return options;
}

void note_beginning(const std::string& name, const Model& model, Progress& progress) {
  progress.note(fmt::format("{}: {} blocks; {}", name, model.spec().num_blocks, how_computed(model.compute())));
}

void guard_outputs(const Session& session, const EvalArguments& arguments) {
  check_one_output(arguments.results);
  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  for (const std::string& text : arguments.texts) guard.reads(place_of_text(text));
  for (const auto& place : places_of_rows(arguments.tasks)) guard.reads(place);
  guard.reads(arguments.tasks.tasks_file);
  guard.reads_result(arguments.found_sets.result);
  guard.writes_file("--json", arguments.results.json, arguments.force);
  guard.writes_file("--log-samples", arguments.tasks.log_samples, arguments.force);
  guard_record(guard, arguments.record);
}

// An option that says how texts are evaluated is a mistake where there are none.
void check_unused(const CLI::App& command, const EvalArguments& arguments) {
  if (!arguments.texts.empty()) return;
  for (const char* option : {"--segments", "--seqlen", "--protocol", "--bos"}) {
    if (command.count(option) > 0) bad_input("{} needs --ppl: it says how texts are evaluated, not tasks", option);
  }
}

void run(EvalArguments arguments, Session& session, ProcessGroup* processes) {
  const TableFormat format = table_format(arguments.results.table_format());
  EvaluationOptions options = evaluation_options(arguments);
  check_texts("--ppl", arguments.texts, options);
  check_tasks(arguments.tasks);
  guard_outputs(session, arguments);
  check_compute(arguments.compute);
  read_found_sets(arguments.found_sets, arguments.removal_lists);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  EvalReport report;
  report.model = arguments.model;
  report.num_blocks = checkpoint.spec().num_blocks;
  check_found_sets(arguments.found_sets, arguments.model, source, checkpoint, session.progress);
  report.removal_lists = parse_removal_lists(arguments.removal_lists, checkpoint.spec());
  if (!arguments.texts.empty()) {
    options.bos = bos_for(checkpoint, arguments.bos);
    note_bos(checkpoint, arguments.bos, session.progress);
  }
  report.protocol = options.protocol;
  EvaluationInputs inputs;
  inputs.tasks = load_tasks(arguments.tasks, checkpoint, session.progress);
  inputs.texts = load_texts({"--ppl"}, arguments.texts, checkpoint, options, session.progress);

  ComputeOptions compute = arguments.compute;
  share_machine(session.environment, processes, compute);
  const Model model(checkpoint, compute, session.progress);
  for (Corpus& text : inputs.texts) fill_self_text(model, text, processes, session.progress);
  if (processes != nullptr) {
    processes->agree("the model", checkpoint.fingerprint(session.progress));
    processes->agree("the removal lists", fmt::format("{}", fmt::join(arguments.removal_lists, " ")));
    agree(*processes, inputs);
  }
  report.compute = model.compute();
  check_ids(model, inputs);
  note_beginning(arguments.model, model, session.progress);
  if (!inputs.texts.empty()) warn_of_long_segments(model.spec(), options.seqlen, session.progress);
  evaluate(std::move(inputs), model, {arguments.tasks}, report, session.progress);
  write_json(arguments.results.json, to_json(report));
  if (!arguments.results.json_to_output() && leads(processes)) write_output(text_of(tables_of(report), format));
  add_record(arguments.record, run_record(report));
}

void add_perplexity(CLI::App& command, EvalArguments& arguments) {
  add_texts(command, "--ppl", arguments.texts,
            "Perplexity on these texts: wikitext2, c4, ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub, or files: .txt or "
            ".raw (a row a line), .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv (field text); "
            "self[:TOKENS]: text that the dense model writes");
  command.add_option("--segments", arguments.segments, "Use only the first N of each text (default: all)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--seqlen", arguments.seqlen, "Tokens in a segment (default 2048; llama.cpp: 512)")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 24))
      ->type_name("N");
  command
      .add_option("--protocol", arguments.protocol,
                  "reference: rows joined, every token scored; llama.cpp: as llama-perplexity, second half scored")
      ->capture_default_str()
      ->check(CLI::IsMember({"reference", "llama.cpp"}))
      ->type_name("KIND");
  add_bos(command, arguments.bos);
}

}  // namespace

void add_eval(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("eval", "Measure what a model loses without given blocks");
  auto arguments = std::make_shared<EvalArguments>();
  add_model(*command, arguments->model);
  add_removal_lists(*command, arguments->removal_lists, "a further row of the table");
  add_found_sets(*command, arguments->found_sets, SetsTaken::several);
  add_perplexity(*command, *arguments);
  add_tasks(*command, arguments->tasks);
  add_compute(*command, arguments->compute);
  add_measured_results(*command, arguments->results, arguments->force, arguments->record);
  command->footer(
      "Examples:\n"
      "  sleb eval HuggingFaceTB/SmolLM2-135M --ppl wikitext2,c4\n"
      "  sleb eval HuggingFaceTB/SmolLM2-135M --removal-list 12,26,13 \\\n"
      "      --removal-list 12,26 --ppl wikitext2 --segments 16 --json result.json\n"
      "  sleb eval HuggingFaceTB/SmolLM2-135M --removal-list 12,26,13 \\\n"
      "      --tasks piqa,arc_easy\n"
      "  sleb eval HuggingFaceTB/SmolLM2-135M --from SmolLM2-pruned --blocks all \\\n"
      "      --ppl wikitext2 --segments 16\n"
      "  sleb eval model.gguf --ppl wiki.test.raw --protocol llama.cpp\n"
      "The published code's options are taken too: docs/reference.md says which.");
  command->callback([command, arguments, &session] {
    if (arguments->texts.empty() && !arguments->tasks.wanted()) arguments->texts = {"wikitext2", "c4"};
    check_unused(*command, *arguments);
    run_in_processes(session, [&](Session& own, ProcessGroup* processes) {
      if (!leads(processes)) {  // it writes nothing
        arguments->results.json = arguments->tasks.log_samples = "";
        arguments->record = {};
      }
      run(*arguments, own, processes);
    });
  });
}

}  // namespace sleb::app
