#include "apps/sleb/commands/eval/eval_tasks.h"

#include <fmt/core.h>

#include <fstream>
#include <span>

#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/removal_lists.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/numbers.h"
#include "sleb/base/sha256.h"
#include "sleb/eval/tasks/task_rows.h"

namespace sleb::app {
namespace {

// An option that says how tasks are run is a mistake where there are none.
void check_unused(const TaskArguments& arguments) {
  const bool set = !arguments.data.empty() || !arguments.tasks_file.empty() || arguments.limit > 0 ||
                   arguments.num_fewshot > 0 || arguments.fewshot_seed || arguments.max_length > 0 ||
                   !arguments.log_samples.empty();
  if (set) {
    bad_input(
        "--tasks-data, --tasks-file, --limit, --num-fewshot, --fewshot-seed, --max-length and --log-samples need {}",
        arguments.option);
  }
}

std::vector<Task> wanted_tasks(const TaskArguments& arguments) {
  constexpr uint64_t largest_file = uint64_t{16} << 20;
  TaskTable table = built_in_tasks();
  if (!arguments.tasks_file.empty()) {
    read_tasks(read_file(arguments.tasks_file, largest_file), arguments.tasks_file, table);
  }
  return select_tasks(table, arguments.names);
}

ContextRules context_rules(const TaskArguments& arguments, const Checkpoint& checkpoint, const Tokenizer& tokenizer) {
  const int64_t max_length = arguments.max_length > 0 ? arguments.max_length : checkpoint.spec().max_positions;
  check_sequence_length(checkpoint.spec(), max_length, "--max-length");
  return {prefix_token(checkpoint.path(), tokenizer), max_length};
}

std::string speed_line(const TaskReport& report) {
  size_t questions = 0;
  for (const LoadedTask& task : report.tasks) questions += task.questions.size();
  const size_t models = report.run.results.size();
  return fmt::format("tasks: {} questions to {} model{} in {}, {:.1f} questions/s", questions, models,
                     models == 1 ? "" : "s", format_seconds(report.run.seconds),
                     static_cast<double>(questions * models) / report.run.seconds);
}

void write_samples(const TaskArguments& arguments, const TaskReport& report) {
  if (!arguments.log_samples.empty()) write_file_atomically(arguments.log_samples, samples_jsonl(report));
}

}  // namespace

std::vector<std::filesystem::path> places_of_rows(const TaskArguments& arguments) {
  if (!arguments.wanted()) return {};
  std::vector<std::filesystem::path> places;
  for (const Task& task : wanted_tasks(arguments)) {
    if (!arguments.data.empty()) {
      const TaskFiles files = find_task_files(arguments.data, task.data);
      places.insert(places.end(), files.rows.begin(), files.rows.end());
      places.insert(places.end(), files.examples.begin(), files.examples.end());
    } else if (task.dataset) {
      places.push_back(place_of_text(task.dataset->repository));
    }
  }
  return places;
}

bool are_samples(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;
  constexpr std::streamsize longest_line = std::streamsize{16} << 20;
  std::string text(longest_line, '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(text.data(), longest_line);
  text.resize(static_cast<size_t>(stream.gcount()));
  try {
    const Json sample = parse_json(text.substr(0, text.find('\n')), file.string());
    return sample.is_object() && sample.contains("task") && sample.contains("removal_list") &&
           sample.contains("doc_id");
  } catch (const Error&) {  // not JSON
    return false;
  }
}

void add_tasks(CLI::App& command, TaskArguments& arguments) {
  const auto add_names = [&arguments](const std::string& names) {
    arguments.names += (arguments.names.empty() ? "" : ",") + names;
  };
  add_repeatable(command, arguments.option, "Zero-shot tasks: piqa, winogrande, hellaswag, ...", add_names)
      ->type_name("NAME[,NAME...]");
  command
      .add_option(
          "--tasks-data", arguments.data,
          "Folder with the tasks' rows: piqa.validation.jsonl (or .parquet, .arrow, .csv, .tsv), ... (default: each "
          "task's data set on the hub, from the cache or fetched into it)")
      ->type_name("DIR");
  command.add_option("--tasks-file", arguments.tasks_file, "Further tasks, in the form of tasks.json")
      ->type_name("FILE");
  command.add_option("--limit", arguments.limit, "Use only the first N rows of each task (default: all)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--num-fewshot", arguments.num_fewshot, "Rows shown with their answers in front of each question")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str()
      ->type_name("K");
  command
      .add_option("--fewshot-seed", arguments.fewshot_seed,
                  "Draw these rows as lm-evaluation-harness does with this seed (its own: 1234; default: the first K)")
      ->type_name("N");
  command
      .add_option("--max-length", arguments.max_length,
                  "Tokens that the model sees at once; longer prompts lose their beginning (default: the model's "
                  "context)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--log-samples", arguments.log_samples, "Write every question with its log-likelihoods as JSONL")
      ->type_name("FILE");
}

void check_tasks(const TaskArguments& arguments) {
  if (!arguments.wanted()) return check_unused(arguments);
  for (const Task& task : wanted_tasks(arguments)) check_rows(task, arguments.data);
}

std::vector<LoadedTask> load_tasks(const TaskArguments& arguments, const Checkpoint& checkpoint, Progress& progress) {
  if (!arguments.wanted()) return {};
  const std::vector<Task> tasks = wanted_tasks(arguments);
  TaskOptions options{.data = arguments.data};
  if (arguments.limit > 0) options.limit = arguments.limit;
  options.few_shot = {arguments.num_fewshot, arguments.fewshot_seed};
  const Tokenizer tokenizer = checkpoint.tokenizer();
  return sleb::load_tasks(tasks, options, tokenizer, context_rules(arguments, checkpoint, tokenizer), progress);
}

std::string ids_sha256(const std::vector<LoadedTask>& tasks) {
  std::string all;
  for (const LoadedTask& task : tasks) {
    for (const auto& requests : task.sequences) {
      for (const TokenRequest& request : requests) {
        const auto bytes = std::as_bytes(std::span(request.ids));
        all += fmt::format(" {} {}: {}", request.ids.size(), request.scored, sha256_hex(bytes));
      }
    }
  }
  return sha256_hex(std::as_bytes(std::span(all)));
}

TaskReport run_tasks(const TaskArguments& arguments, const Model& model, std::vector<LoadedTask> tasks,
                     const std::vector<RemovalList>& removal_lists, Progress& progress) {
  std::vector<Plan> plans = {Plan()};
  for (const auto& list : removal_lists) plans.push_back(plan_without(list));
  TaskReport report{std::move(tasks), removal_lists, {}};
  report.run = sleb::run_tasks(model, plans, report.tasks, progress);
  progress.note(speed_line(report));
  write_samples(arguments, report);
  return report;
}

void add_repaired(const TaskArguments& arguments, const Model& repaired, const RemovalList& removal_list,
                  TaskReport& report, Progress& progress) {
  add_to(report.run, repaired, plan_without(removal_list), report.tasks, progress);
  report.removal_lists.push_back(removal_list);
  report.repaired = true;
  progress.note(speed_line(report));
  write_samples(arguments, report);
}

}  // namespace sleb::app
