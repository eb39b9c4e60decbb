// A zero-shot task as data: how a row of its data set becomes a question to a model. tasks.json beside this file holds
// those of lm-evaluation-harness 0.4.13 that papers on depth pruning report; users add their own in the same form.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sleb/eval/tasks/metrics.h"
#include "sleb/jinja/template.h"

namespace sleb {

using jinja::Template;

// One template for each text, or one that gives all of them as a list.
using TextTemplates = std::variant<Template, std::vector<Template>>;

// The continuation that the model finds likeliest after the prompt.
struct MultipleChoice {
  Template prompt;
  TextTemplates choices;
};
// Each choice is a prompt; the continuation is the same ("partial evaluation", Trinh and Le, arXiv 1806.02847).
struct PartialScoring {
  TextTemplates prompts;
  Template continuation;
};
// One continuation of one prompt.
struct SingleContinuation {
  Template prompt, continuation;
};
// A whole text, window by window.
struct WholeText {
  Template text;
  Template counted;  // the text whose words and bytes count
};

// Where the rows are on the Hugging Face hub.
struct TaskDataset {
  std::string repository;     // "org/name"
  std::string config;         // "": the only one, or the default
  std::string split;          // of the questions
  std::string fewshot_split;  // of the examples; "": the questions' own rows
};

using TaskForm = std::variant<MultipleChoice, PartialScoring, SingleContinuation, WholeText>;

struct Task {
  std::string name;
  double version = 0;
  std::string data;  // row files begin with it: "piqa" for piqa.validation.jsonl
  std::optional<TaskDataset> dataset = {};
  bool harness_skips_own_row = false;  // from few-shot examples: so where it scores a validation split
  std::string target_delimiter = " ";  // between a prompt and each choice
  std::string fewshot_delimiter = "\n\n";
  std::optional<Template> description = {};  // in front of the whole prompt
  TaskForm form;
  std::optional<Template> target;  // of the first two forms: the right choice's index, or its text
  std::vector<Metric> metrics;
};

using TaskTable = std::map<std::string, Task>;

// tasks.json.
TaskTable built_in_tasks();

// Adds the tasks of a user's file in the form of tasks.json; one of a known name takes its place. `label` begins error
// messages. Throws Error(bad_input) for missing, unknown and misplaced keys, unknown filters and metrics.
void read_tasks(std::string_view json, const std::string& label, TaskTable& tasks);

// The tasks that "piqa,arc_easy" names, in this order. Throws Error(bad_input) for names that are not known (naming the
// known ones) or stand twice.
std::vector<Task> select_tasks(const TaskTable& tasks, std::string_view names);

}  // namespace sleb
