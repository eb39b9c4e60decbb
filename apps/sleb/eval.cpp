// sleb eval: what a model loses without given blocks.

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "arguments.h"
#include "calibration.h"
#include "commands.h"
#include "eval_tasks.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
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
  TaskArguments tasks;
  ComputeOptions compute;
  std::string json;
  std::string format = "md";
};

// One list a --removal-list, in the order of the rows.
std::vector<std::vector<int64_t>> parse_removal_lists(const std::vector<std::string>& texts, int64_t num_blocks) {
  std::vector<std::vector<int64_t>> lists;
  std::set<std::set<int64_t>> seen;
  for (const std::string& text : texts) {
    const std::vector<int64_t> list = parse_removal_list(text, num_blocks);
    if (list.empty()) bad_input("--removal-list \"{}\": no block; the dense model is always the first row", text);
    if (!seen.insert({list.begin(), list.end()}).second) {
      bad_input("--removal-list \"{}\": another list removes the same blocks", text);
    }
    lists.push_back(list);
  }
  return lists;
}

EvaluationOptions evaluation_options(const EvalArguments& arguments, const ModelSpec& spec) {
  EvaluationOptions options;
  options.protocol = evaluation_protocol(arguments.protocol);
  options.seqlen = options.protocol == EvaluationProtocol::llama_cpp ? 512 : 2048;
  if (arguments.seqlen > 0) options.seqlen = arguments.seqlen;
  if (arguments.segments > 0) options.segments = arguments.segments;
  if (!arguments.texts.empty()) check_sequence_length(spec, options.seqlen, "--seqlen");
  return options;
}

std::vector<Corpus> load_texts(const std::vector<std::string>& names, const Checkpoint& checkpoint,
                               const EvaluationOptions& options) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) bad_input("--ppl: a file without a name; give files separated by commas");
    if (std::ranges::count(names, names[i]) > 1) bad_input("--ppl {}: the file stands twice", names[i]);
    refuse_dataset_by_name("--ppl", names[i], DatasetPart::evaluation);
  }
  std::vector<Corpus> texts;
  const Tokenizer tokenizer = checkpoint.tokenizer();
  for (const std::string& name : names) texts.push_back(evaluation_corpus(name, tokenizer, options));
  return texts;
}

void note_beginning(const std::string& name, const Model& model, Progress& progress) {
  progress.note(fmt::format("{}: {} blocks; {} on {}, {} threads", name, model.spec().num_blocks, model.compute().dtype,
                            model.compute().device, model.compute().threads));
}

std::string speed_line(const TextPerplexity& perplexity) {
  const size_t pruned = perplexity.result.rows.size() - 1;
  const std::string models =
      pruned == 0 ? "the dense model" : fmt::format("the dense and {} pruned model{}", pruned, pruned == 1 ? "" : "s");
  return fmt::format("{}: {} segments of {} tokens in {}, {:.0f} tokens/s for {}", perplexity.text.name,
                     perplexity.text.segments, perplexity.text.seqlen, format_seconds(perplexity.result.seconds),
                     perplexity.tokens_per_second(), models + (pruned == 0 ? "" : " together"));
}

void run(const EvalArguments& arguments, Session& session) {
  const TableFormat format = table_format(arguments.format);
  if (arguments.texts.empty() && !arguments.tasks.wanted()) {
    bad_input("nothing to evaluate: give --ppl FILE, or --tasks NAMES with --tasks-data DIR");
  }
  const Checkpoint checkpoint = Checkpoint::open(arguments.model);
  EvalReport report;
  report.model = arguments.model;
  report.num_blocks = checkpoint.spec().num_blocks;
  report.removal_lists = parse_removal_lists(arguments.removal_lists, report.num_blocks);
  const EvaluationOptions options = evaluation_options(arguments, checkpoint.spec());
  report.protocol = options.protocol;
  check_json_path(arguments.json);
  std::vector<LoadedTask> tasks = load_tasks(arguments.tasks, checkpoint, session.progress);
  std::vector<Corpus> texts = load_texts(arguments.texts, checkpoint, options);

  const Model model(checkpoint, arguments.compute, session.progress);
  report.compute = model.compute();
  note_beginning(arguments.model, model, session.progress);
  if (!texts.empty()) warn_of_long_segments(model.spec(), options.seqlen, session.progress);
  std::vector<Plan> plans;
  for (const auto& list : report.removal_lists) plans.push_back(Plan::without_blocks(list));
  for (Corpus& text : texts) {
    const CorpusPerplexity result = evaluate_perplexity(model, text, plans, session.progress);
    report.perplexity.push_back({std::move(text), result});
    session.progress.note(speed_line(report.perplexity.back()));
  }
  OrderedJson json = to_json(report);
  std::vector<Table> tables;
  if (!report.perplexity.empty()) tables.push_back(perplexity_table(report));
  if (!tasks.empty()) {
    const TaskReport task_report =
        run_tasks(arguments.tasks, model, std::move(tasks), report.removal_lists, session.progress);
    json.update(to_json(task_report));
    tables.push_back(task_table(task_report));
  }
  write_json(arguments.json, json);
  if (arguments.json == "-") return;
  for (const Table& table : tables) fmt::print("{}{}", &table == &tables.front() ? "" : "\n", table.text(format));
}

// An option that may be given several times; CLI11's own lists would take "[5, 4, 9]" apart.
CLI::Option* add_repeatable(CLI::App& command, const std::string& name, const std::string& description,
                            std::function<void(const std::string&)> take) {
  return command.add_option_function<std::string>(name, std::move(take), description)->trigger_on_parse();
}

void add_perplexity(CLI::App& command, EvalArguments& arguments) {
  const auto add_texts = [&arguments](const std::string& names) {
    for (std::string& name : CLI::detail::split(names, ',')) arguments.texts.push_back(std::move(name));
  };
  add_repeatable(command, "--ppl",
                 "Perplexity on these texts: .txt or .raw (a row a\nline), .jsonl, .jsonl.gz or .json.gz (field text)",
                 add_texts)
      ->type_name("FILE[,FILE...]");
  command.add_option("--segments", arguments.segments, "Use only the first N of each text (default: all)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--seqlen", arguments.seqlen, "Tokens in a segment (default 2048; llama.cpp: 512)")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 24))
      ->type_name("N");
  command
      .add_option("--protocol", arguments.protocol,
                  "reference: rows joined, every token scored;\nllama.cpp: as llama-perplexity, second half scored")
      ->capture_default_str()
      ->type_name("KIND");
}

}  // namespace

void add_eval(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("eval", "Measure what a model loses without given blocks");
  auto arguments = std::make_shared<EvalArguments>();
  add_model(*command, arguments->model);
  add_repeatable(*command, "--removal-list", "Blocks to leave out, as 5,4,9; given again, a\nfurther row of the table",
                 [arguments](const std::string& list) { arguments->removal_lists.push_back(list); })
      ->type_name("LIST");
  add_perplexity(*command, *arguments);
  add_tasks(*command, arguments->tasks);
  add_compute(*command, arguments->compute);
  command->add_option("--json", arguments->json, "Write the result as JSON (- for stdout)")->type_name("FILE");
  command->add_option("-o,--output", arguments->format, "Table as md, csv, json or jsonl")
      ->capture_default_str()
      ->type_name("FORMAT");
  command->footer(
      "Examples:\n"
      "  sleb eval SmolLM2-135M --ppl wiki.test.raw,c4-validation.json.gz\n"
      "  sleb eval SmolLM2-135M --removal-list 12,26,13 --removal-list 12,26 \\\n"
      "      --ppl wiki.test.raw --segments 16 --json result.json\n"
      "  sleb eval SmolLM2-135M --tasks piqa,arc_easy --tasks-data rows --removal-list 12,26,13\n"
      "  sleb eval model.gguf --ppl wiki.test.raw --protocol llama.cpp");
  command->callback([arguments, &session] { run(*arguments, session); });
}

}  // namespace sleb::app
