// sleb eval: what a model loses without given blocks.

#include <fmt/core.h>

#include <filesystem>
#include <set>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/commands/eval_tasks.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/removal_lists.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/options/self_text.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/datasets/dataset_files.h"
#include "sleb/report/eval_report.h"

namespace sleb::app {
namespace {

struct EvalArguments {
  std::string model;
  std::vector<std::string> removal_lists;
  std::vector<std::string> texts;
  int64_t segments = 0;  // 0: all
  int64_t seqlen = 0;    // 0: the protocol's
  std::string protocol = "reference";
  std::string bos;  // "": by the model
  TaskArguments tasks;
  ComputeOptions compute;
  ResultArguments results;
  bool force = false;
};

EvaluationOptions evaluation_options(const EvalArguments& arguments, const ModelSpec& spec) {
  EvaluationOptions options;
  options.protocol = evaluation_protocol(arguments.protocol);
  options.seqlen = options.protocol == EvaluationProtocol::llama_cpp ? 512 : 2048;
  if (arguments.seqlen > 0) options.seqlen = arguments.seqlen;
  if (arguments.segments > 0) options.segments = arguments.segments;
  if (!arguments.texts.empty()) check_sequence_length(spec, options.seqlen, "--seqlen");
  return options;
}

// File names of one --ppl.
std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  for (size_t comma = text.find(','); comma != text.npos; comma = text.find(',')) {
    names.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  names.emplace_back(text);
  return names;
}

void check_names(const std::vector<std::string>& names) {
  std::set<std::filesystem::path> seen;
  for (const std::string& name : names) {
    if (name.empty()) bad_input("--ppl: a text without a name; give names and files separated by commas");
    if (!seen.insert(std::filesystem::path(name).lexically_normal()).second) {
      bad_input("--ppl {}: the text stands twice", name);
    }
  }
}

std::vector<Corpus> load_texts(const std::vector<std::string>& names, const Checkpoint& checkpoint,
                               const EvaluationOptions& options, Progress& progress) {
  std::vector<Corpus> texts;
  const Tokenizer tokenizer = checkpoint.tokenizer();
  for (const std::string& name : names) {
    texts.push_back(load_evaluation("--ppl", name, /*seed=*/0, tokenizer, options, progress));
  }
  return texts;
}

void note_beginning(const std::string& name, const Model& model, Progress& progress) {
  progress.note(fmt::format("{}: {} blocks; {}", name, model.spec().num_blocks, how_computed(model.compute())));
}

std::string speed_line(const TextPerplexity& perplexity) {
  const size_t pruned = perplexity.result.rows.size() - 1;
  const std::string models =
      pruned == 0 ? "the dense model" : fmt::format("the dense and {} pruned model{}", pruned, pruned == 1 ? "" : "s");
  return fmt::format("{}: {} segments of {} tokens in {}, {:.0f} tokens/s for {}", perplexity.text.name,
                     perplexity.text.segments, perplexity.text.seqlen, format_seconds(perplexity.result.seconds),
                     perplexity.tokens_per_second(), models + (pruned == 0 ? "" : " together"));
}

// All ranks have read the same.
void agree(ProcessGroup& processes, const Model& model, const std::vector<Corpus>& texts,
           const std::vector<LoadedTask>& tasks, Progress& progress) {
  processes.agree("the model", model.checkpoint().fingerprint(progress));
  std::string ids;
  for (const Corpus& text : texts) ids += text.ids_sha256;
  processes.agree("the texts' ids", ids);
  processes.agree("the tasks' ids", ids_sha256(tasks));
}

void guard_outputs(const EvalArguments& arguments) {
  check_one_output(arguments.results);
  OutputGuard guard;
  guard.reads(place_of_model(arguments.model));
  for (const std::string& text : arguments.texts) guard.reads(place_of_text(text));
  for (const auto& place : places_of_rows(arguments.tasks)) guard.reads(place);
  guard.reads(arguments.tasks.tasks_file);
  guard.writes_file("--json", arguments.results.json, arguments.force);
  guard.writes_file("--log-samples", arguments.tasks.log_samples, arguments.force);
}

struct NamedTable {
  std::string name;
  Table table;
};

// One document in every format. Two tables have other columns, so JSON puts them under their names.
std::string text_of(const std::vector<NamedTable>& tables, TableFormat format) {
  if (format == TableFormat::json && tables.size() > 1) {
    OrderedJson all;
    for (const auto& [name, table] : tables) all[name] = table.json();
    return all.dump(2) + "\n";
  }
  std::string text;
  for (const auto& [name, table] : tables) {
    if (!text.empty() && format != TableFormat::jsonl) text += "\n";
    text += table.text(format);
  }
  return text;
}

void run(const EvalArguments& arguments, Session& session, ProcessGroup* processes) {
  const TableFormat format = table_format(arguments.results.table_format());
  if (arguments.texts.empty() && !arguments.tasks.wanted()) {
    bad_input("nothing to evaluate: give --ppl TEXT, or --tasks NAMES");
  }
  check_names(arguments.texts);
  guard_outputs(arguments);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  EvalReport report;
  report.model = arguments.model;
  report.num_blocks = checkpoint.spec().num_blocks;
  report.removal_lists = parse_removal_lists(arguments.removal_lists, report.num_blocks);
  EvaluationOptions options = evaluation_options(arguments, checkpoint.spec());
  if (!arguments.texts.empty()) options.bos = bos_for(checkpoint, arguments.bos, session.progress);
  report.protocol = options.protocol;
  std::vector<LoadedTask> tasks = load_tasks(arguments.tasks, checkpoint, session.progress);
  std::vector<Corpus> texts = load_texts(arguments.texts, checkpoint, options, session.progress);

  ComputeOptions compute = arguments.compute;
  share_machine(session.environment, processes, compute);
  const Model model(checkpoint, compute, session.progress);
  for (Corpus& text : texts) write_self_texts(model, {&text}, processes, session.progress);
  if (processes != nullptr) agree(*processes, model, texts, tasks, session.progress);
  report.compute = model.compute();
  std::vector<PlanEvaluator> evaluators;  // of all texts before the first is computed: they check the ids
  for (const Corpus& text : texts) evaluators.emplace_back(model, text);
  note_beginning(arguments.model, model, session.progress);
  if (!texts.empty()) warn_of_long_segments(model.spec(), options.seqlen, session.progress);
  std::vector<Plan> plans;
  for (const auto& list : report.removal_lists) plans.push_back(Plan::without_blocks(list));
  for (const PlanEvaluator& evaluator : evaluators) {
    report.perplexity.push_back({evaluator.corpus(), evaluate_perplexity(evaluator, plans, session.progress)});
    session.progress.note(speed_line(report.perplexity.back()));
  }
  OrderedJson json = to_json(report);
  std::vector<NamedTable> tables;
  if (!report.perplexity.empty()) tables.push_back({"perplexity", perplexity_table(report)});
  if (!tasks.empty()) {
    const TaskReport task_report =
        run_tasks(arguments.tasks, model, std::move(tasks), report.removal_lists, session.progress);
    json.update(to_json(task_report));
    tables.push_back({"tasks", task_table(task_report)});
  }
  write_json(arguments.results.json, json);
  if (!arguments.results.json_to_output() && leads(processes)) write_output(text_of(tables, format));
}

void add_perplexity(CLI::App& command, EvalArguments& arguments) {
  const auto add_texts = [&arguments](const std::string& names) {
    std::error_code ignored;
    if (std::filesystem::exists(names, ignored)) {  // a name may hold a comma
      arguments.texts.push_back(names);
      return;
    }
    for (std::string& name : split_names(names)) arguments.texts.push_back(std::move(name));
  };
  add_repeatable(
      command, "--ppl",
      "Perplexity on these texts: wikitext2, c4, ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub, or files: .txt or .raw "
      "(a row a line), .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv (field text); self[:TOKENS]: "
      "text that the dense model writes",
      add_texts)
      ->type_name("TEXT[,TEXT...]");
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
      ->type_name("KIND");
  add_bos(command, arguments.bos);
}

}  // namespace

void add_eval(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("eval", "Measure what a model loses without given blocks");
  auto arguments = std::make_shared<EvalArguments>();
  add_model(*command, arguments->model);
  add_removal_lists(*command, arguments->removal_lists, "a further row of the table");
  add_perplexity(*command, *arguments);
  add_tasks(*command, arguments->tasks);
  add_compute(*command, arguments->compute);
  add_json(*command, arguments->results.json, "Write the result");
  add_table_format(*command, arguments->results.format);
  add_force(*command, arguments->force);
  command->footer(
      "Examples:\n"
      "  sleb eval HuggingFaceTB/SmolLM2-135M --ppl wikitext2,c4\n"
      "  sleb eval SmolLM2-135M --removal-list 12,26,13 --removal-list 12,26 \\\n"
      "      --ppl wiki.test.raw --segments 16 --json result.json\n"
      "  sleb eval SmolLM2-135M --removal-list 12,26,13 --tasks piqa,arc_easy\n"
      "  sleb eval model.gguf --ppl wiki.test.raw --protocol llama.cpp");
  command->callback([arguments, &session] {
    run_in_processes(session, [&](Session& own, ProcessGroup* processes) {
      if (!leads(processes)) arguments->results.json = arguments->tasks.log_samples = "";  // it writes nothing
      run(*arguments, own, processes);
    });
  });
}

}  // namespace sleb::app
