// Tasks made ready to be run: all that can be wrong with them is found here, before a model has done any work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/datasets/dataset_files.h"
#include "sleb/eval/tasks/few_shot.h"
#include "sleb/eval/tasks/question.h"
#include "sleb/eval/tasks/request_tokens.h"
#include "sleb/eval/tasks/task.h"

namespace sleb {

struct TaskOptions {
  std::filesystem::path data;         // the folder with row files; empty: the tasks' data sets on the hub
  std::optional<int64_t> limit = {};  // the first rows only
  FewShotOptions few_shot = {};
};

struct LoadedTask {
  Task task;
  int64_t total = 0;  // rows in the data set
  // Of rows from the hub: where the questions are from, and the examples where these have a split of their own.
  std::optional<DatasetOrigin> source = {}, examples_source = {};
  int64_t examples = 0;
  std::vector<Question> questions = {};
  std::vector<std::vector<TokenRequest>> sequences = {};  // [questions][requests, or windows]
  int64_t truncated = 0;                                  // sequences that lost tokens in front
};

// Throws Error(bad_input) for a task whose rows are neither in `data` (TaskOptions) nor on the hub.
void check_rows(const Task& task, const std::filesystem::path& data);

// Throws what find_dataset throws, for any task before rows are read; Error(bad_input) for missing data and whatever is
// wrong with rows. Sequences that don't fit the model's
// context are cut in front and counted, as lm-evaluation-harness does.
std::vector<LoadedTask> load_tasks(std::span<const Task> tasks, const TaskOptions& options, const Tokenizer& tokenizer,
                                   const ContextRules& rules, Progress& progress);

}  // namespace sleb
