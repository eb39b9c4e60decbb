#include "sleb/eval/tasks/load.h"

#include "sleb/base/error.h"
#include "sleb/eval/tasks/task_rows.h"

namespace sleb {
namespace {

bool is_whole_text(const Task& task) {
  return std::holds_alternative<WholeText>(task.form);
}

// Where a task's rows are.
struct FoundRows {
  TaskFiles files;
  std::optional<DatasetOrigin> source = {}, examples_source = {};
};

DatasetFiles find_split(const TaskDataset& dataset, const std::string& split, Progress& progress) {
  DatasetRequest request;
  request.repository.name = dataset.repository;
  request.repository.kind = RepositoryKind::dataset;
  request.config = dataset.config;
  request.splits = {split};
  request.reads = reads_task_rows;
  return find_dataset(request, progress);
}

FoundRows find_rows(const Task& task, const TaskOptions& options, Progress& progress) {
  check_rows(task, options.data);
  if (!options.data.empty()) return {find_task_files(options.data, task.data)};
  const DatasetFiles rows = find_split(*task.dataset, task.dataset->split, progress);
  FoundRows found{{.rows = rows.files}, rows.origin};
  if (options.few_shot.count > 0 && !is_whole_text(task) && !task.dataset->fewshot_split.empty()) {
    const DatasetFiles examples = find_split(*task.dataset, task.dataset->fewshot_split, progress);
    found.files.examples = examples.files;
    found.examples_source = examples.origin;
  }
  return found;
}

// The rows that examples are taken from: files of their own where there are such, else the questions' own.
TaskRows example_rows(const TaskFiles& files, const FewShotOptions& options) {
  // The first rows are enough for the first examples, and one more for a question's own.
  const auto needed = options.seed ? std::nullopt : std::optional(options.count + 1);
  return read_task_rows(files.examples.empty() ? files.rows : files.examples, needed);
}

LoadedTask load_task(const Task& task, const FoundRows& found, const TaskOptions& options, const Tokenizer& tokenizer,
                     const ContextRules& rules, Progress& progress) {
  const TaskFiles& files = found.files;
  const TaskRows rows = read_task_rows(files.rows, options.limit);
  LoadedTask loaded{
      .task = task, .total = rows.total, .source = found.source, .examples_source = found.examples_source};
  if (!is_whole_text(task)) loaded.examples = options.few_shot.count;
  const TaskRows pool =
      loaded.examples > 0 ? example_rows(files, options.few_shot) : TaskRows{.file = files.rows.front()};
  FewShotOptions few_shot = options.few_shot;
  few_shot.count = loaded.examples;
  FewShotSampler sampler({pool, task.harness_skips_own_row, files.examples.empty()}, few_shot);
  progress.begin("reading " + task.name, rows.rows.size(), "rows");
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    check_interrupt();
    const auto examples = sampler.draw(rows.rows[i]);
    loaded.questions.push_back(make_question(task, rows.rows[i], examples));
    loaded.questions.back().id = static_cast<int64_t>(i);
    RequestTokens tokens = encode_requests(tokenizer, rules, loaded.questions.back(), is_whole_text(task));
    loaded.sequences.push_back(std::move(tokens.sequences));
    loaded.truncated += tokens.truncated;
    progress.advance(1);
  }
  progress.end();
  if (loaded.truncated > 0) {
    progress.note(
        fmt::format("{}: {} prompts were longer than the model's context of {} tokens and lost their beginning",
                    task.name, loaded.truncated, rules.max_length));
  }
  return loaded;
}

}  // namespace

void check_rows(const Task& task, const std::filesystem::path& data) {
  if (!data.empty()) {
    find_task_files(data, task.data);
  } else if (!task.dataset) {
    bad_input("the task {} names no data set on the hub (dataset_path); give its rows with --tasks-data DIR",
              task.name);
  }
}

std::vector<LoadedTask> load_tasks(std::span<const Task> tasks, const TaskOptions& options, const Tokenizer& tokenizer,
                                   const ContextRules& rules, Progress& progress) {
  std::vector<FoundRows> found;
  for (const Task& task : tasks) found.push_back(find_rows(task, options, progress));
  std::vector<LoadedTask> loaded;
  for (size_t i = 0; i < tasks.size(); ++i) {
    loaded.push_back(load_task(tasks[i], found[i], options, tokenizer, rules, progress));
  }
  return loaded;
}

}  // namespace sleb
