#include "sleb/eval/tasks/load.h"

#include "sleb/base/error.h"
#include "sleb/eval/tasks/task_rows.h"

namespace sleb {
namespace {

bool is_whole_text(const Task& task) {
  return std::holds_alternative<WholeText>(task.form);
}

// The rows that examples are taken from: a file of their own where there is one, else the questions' own.
TaskRows example_rows(const TaskFiles& files, const FewShotOptions& options) {
  // The first rows are enough for the first examples, and one more for a question's own.
  const auto needed = options.seed ? std::nullopt : std::optional(options.count + 1);
  return read_task_rows(files.examples.value_or(files.rows), needed);
}

LoadedTask load_task(const Task& task, const TaskOptions& options, const Tokenizer& tokenizer,
                     const ContextRules& rules, Progress& progress) {
  const TaskFiles files = find_task_files(options.data, task.data);
  const TaskRows rows = read_task_rows(files.rows, options.limit);
  LoadedTask loaded{.task = task, .total = rows.total};
  if (!is_whole_text(task)) loaded.examples = options.few_shot.count;
  const TaskRows pool = loaded.examples > 0 ? example_rows(files, options.few_shot) : TaskRows{.file = files.rows};
  FewShotOptions few_shot = options.few_shot;
  few_shot.count = loaded.examples;
  FewShotSampler sampler({pool, task.harness_skips_own_row, !files.examples}, few_shot);
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

std::vector<LoadedTask> load_tasks(std::span<const Task> tasks, const TaskOptions& options, const Tokenizer& tokenizer,
                                   const ContextRules& rules, Progress& progress) {
  std::vector<LoadedTask> loaded;
  for (const Task& task : tasks) loaded.push_back(load_task(task, options, tokenizer, rules, progress));
  return loaded;
}

}  // namespace sleb
