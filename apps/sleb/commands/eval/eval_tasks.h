// The zero-shot tasks of `sleb eval`, and of `sleb prune` after its search.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/eval/tasks/load.h"
#include "sleb/report/task_report.h"

namespace sleb::app {

struct TaskArguments {
  std::string option = "--tasks";  // that names them
  std::string names = {};          // empty: no tasks are asked for
  std::string data = {};
  std::string tasks_file = {};
  int64_t limit = 0;  // 0: all rows
  int64_t num_fewshot = 0;
  std::optional<uint64_t> fewshot_seed = {};
  int64_t max_length = 0;  // 0: the model's
  std::string log_samples = {};

  bool wanted() const { return !names.empty(); }
};

// `arguments.option` may be given several times.
void add_tasks(CLI::App& command, TaskArguments& arguments);

// The files of rows in --tasks-data, or the data sets' folders in the hub's cache. Throws Error(bad_input) for tasks
// that are not known, and for those that have no rows there.
std::vector<std::filesystem::path> places_of_rows(const TaskArguments& arguments);

// Whether an earlier run wrote the file by --log-samples: --resume may write it again.
bool are_samples(const std::filesystem::path& file);

// What can be said without the model. Throws Error(bad_input) for tasks that are not known or have no rows, for a tasks
// file that is not there or wrong, and for options that make no sense without tasks.
void check_tasks(const TaskArguments& arguments);

// All checks that need no work of the model. Throws Error(bad_input); without tasks there are none to load.
std::vector<LoadedTask> load_tasks(const TaskArguments& arguments, const Checkpoint& checkpoint, Progress& progress);

// Of all ids that the tasks' questions are scored by.
std::string ids_sha256(const std::vector<LoadedTask>& tasks);

// The dense model and those without the blocks of `removal_lists`. Writes --log-samples.
TaskReport run_tasks(const TaskArguments& arguments, const Model& model, std::vector<LoadedTask> tasks,
                     const std::vector<RemovalList>& removal_lists, Progress& progress);
// Adds the same of a repaired model without these blocks, to --log-samples too.
void add_repaired(const TaskArguments& arguments, const Model& repaired, const RemovalList& removal_list,
                  TaskReport& report, Progress& progress);

}  // namespace sleb::app
