// What zero-shot tasks leave behind: JSON in lm-evaluation-harness's shape, a table, every question's scores.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/eval/task_runner.h"
#include "sleb/report/table.h"

namespace sleb {

struct TaskReport {
  std::vector<LoadedTask> tasks;
  std::vector<RemovalList> removal_lists;  // of the plans after the dense model's
  TaskRun run;
  bool repaired = false;  // the last plan's model is
};

// "12,26", "12,26 repaired".
std::string model_label(const RemovalList& removal_list, bool repaired);

// {"results": {task: {"acc", "acc_stderr", ...}} of the dense model, "pruned": [{"removal_list", "results": {task:
// {..., "acc_difference", "acc_difference_stderr"}}}], "versions", "n-shot", "n-samples", "tasks_seconds"}. A standard
// error that takes more than one question is null.
OrderedJson to_json(const TaskReport& report);

// A task, a metric and a model a line, the dense model first.
Table task_table(const TaskReport& report);

// A line of JSON for each model and question: {"task", "removal_list", "doc_id", "requests": [{"prompt",
// "continuation", "log_likelihood", "is_greedy"}], "target", "acc", ...}.
std::string samples_jsonl(const TaskReport& report);

}  // namespace sleb
