// A row as a question to a model: prompts, continuations and the right answer, as lm-evaluation-harness 0.4.13 forms
// them (lm_eval/api/task.py, ConfigurableTask).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/eval/tasks/metrics.h"
#include "sleb/eval/tasks/task.h"
#include "sleb/eval/tasks/task_rows.h"

namespace sleb {

// Scored is the continuation. A text that is scored whole has no prompt.
struct Request {
  std::string prompt;
  std::string continuation;
};

struct Question {
  int64_t id = 0;     // number of its row in the file
  std::string place;  // of its row, for messages
  std::vector<Request> requests = {};
  Answer answer = {};
};

// Throws Error(bad_input), naming the row, for fields that it lacks, fewer than two choices, an empty choice or
// continuation, and a target that names no choice. `examples`: rows shown with their answers in front of the prompt.
Question make_question(const Task& task, const TaskRow& row, std::span<const TaskRow* const> examples);

}  // namespace sleb
