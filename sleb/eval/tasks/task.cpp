#include "sleb/eval/tasks/task.h"

#include <algorithm>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/eval/tasks/built_in.h"
#include "sleb/hub/repository_name.h"

namespace sleb {
namespace {

bool is_task_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// A long template may be a list of lines, which are joined.
std::string template_text(const JsonView& value) {
  if (!value.is_array()) return value.string();
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) text += value.at(i).string();
  return text;
}

Template template_of(const JsonView& value) {
  return {template_text(value), value.place(), jinja::Dialect::task};
}

TextTemplates text_templates_of(const JsonView& value) {
  if (!value.is_array()) return Template(value.string(), value.place(), jinja::Dialect::task);
  std::vector<Template> templates;
  for (size_t i = 0; i < value.size(); ++i)
    templates.emplace_back(value.at(i).string(), value.at(i).place(), jinja::Dialect::task);
  return templates;
}

// The keys that make a form, and the metrics that it has.
struct FormEntry {
  std::vector<std::string> keys;
  std::vector<Metric> metrics;
  TaskForm (*read)(const JsonView&);
};

// A number, too, is a template: its text.
std::optional<Template> target_of(const JsonView& entry) {
  const auto target = entry.find("target");
  if (!target) return {};
  return target->is_number() ? Template(std::to_string(target->integer(0)), target->place(), jinja::Dialect::task)
                             : template_of(*target);
}

const std::vector<FormEntry>& forms() {
  static const std::vector<FormEntry> entries = {
      {{"prompt", "choices", "target"},
       {Metric::acc, Metric::acc_norm, Metric::acc_bytes},
       [](const JsonView& entry) -> TaskForm {
         return MultipleChoice{template_of(entry.at("prompt")), text_templates_of(entry.at("choices"))};
       }},
      {{"prompts", "continuation", "target"},
       {Metric::acc},
       [](const JsonView& entry) -> TaskForm {
         return PartialScoring{text_templates_of(entry.at("prompts")), template_of(entry.at("continuation"))};
       }},
      {{"prompt", "continuation"},
       {Metric::acc, Metric::perplexity},
       [](const JsonView& entry) -> TaskForm {
         return SingleContinuation{template_of(entry.at("prompt")), template_of(entry.at("continuation"))};
       }},
      {{"text", "counted"},
       {Metric::word_perplexity, Metric::byte_perplexity, Metric::bits_per_byte},
       [](const JsonView& entry) -> TaskForm {
         return WholeText{template_of(entry.at("text")), template_of(entry.at("counted"))};
       }},
  };
  return entries;
}

constexpr std::string_view common_keys[] = {
    "version", "dataset_path",     "dataset_name",      "dataset_split", "split",  "fewshot_split",
    "data",    "target_delimiter", "fewshot_delimiter", "description",   "metrics"};

bool is_common(std::string_view key) {
  return std::ranges::find(common_keys, key) != std::end(common_keys);
}

// The form whose keys are exactly those of the entry that are not common to all forms.
const FormEntry& form_of(const JsonView& entry) {
  std::set<std::string> keys;
  std::set<std::string> known;
  for (const auto& form : forms()) known.insert(form.keys.begin(), form.keys.end());
  for (const auto& [key, value] : entry.raw().items()) {
    if (is_common(key)) continue;
    if (!known.contains(key)) entry.fail(fmt::format("the key {:?} is not known", key));
    keys.insert(key);
  }
  for (const auto& form : forms()) {
    if (keys == std::set<std::string>(form.keys.begin(), form.keys.end())) return form;
  }
  entry.fail(
      "needs the keys prompt, choices and target, or prompts, continuation and target, or prompt and continuation, or "
      "text and counted");
}

std::vector<Metric> metrics_of(const JsonView& entry, const FormEntry& form) {
  const JsonView names = entry.at("metrics");
  std::vector<Metric> metrics;
  std::string known;
  for (const Metric metric : form.metrics) known += fmt::format("{}{}", known.empty() ? "" : ", ", metric_name(metric));
  for (size_t i = 0; i < names.size(); ++i) {
    const auto metric = find_metric(names.at(i).string());
    if (!metric || std::ranges::find(form.metrics, *metric) == form.metrics.end()) {
      names.at(i).fail(
          fmt::format("{:?} is no metric of such a task; its metrics are {}", names.at(i).string(), known));
    }
    if (std::ranges::find(metrics, *metric) != metrics.end()) names.at(i).fail("stands twice");
    metrics.push_back(*metric);
  }
  if (metrics.empty()) names.fail("names no metric");
  return metrics;
}

std::optional<TaskDataset> dataset_of(const JsonView& entry, const std::string& split) {
  const auto path = entry.find("dataset_path");
  if (!path) {
    for (const char* key : {"dataset_name", "dataset_split", "fewshot_split"}) {
      if (entry.has(key)) entry.at(key).fail("says nothing without dataset_path");
    }
    return {};
  }
  if (!is_repository_name(path->string())) path->fail("is not the name of a data set on the hub, org/name");
  TaskDataset dataset{.repository = path->string(),
                      .config = entry.string_or("dataset_name", ""),
                      .split = entry.string_or("dataset_split", split),
                      .fewshot_split = entry.string_or("fewshot_split", "")};
  if (dataset.fewshot_split == dataset.split) dataset.fewshot_split = "";
  return dataset;
}

Task task_of(const std::string& name, const JsonView& entry) {
  if (!is_task_name(name)) entry.fail("a task's name consists of letters, digits, _ and -");
  if (!entry.is_object()) entry.fail("expected an object");
  const FormEntry& form = form_of(entry);
  Task task{.name = name,
            .data = entry.string_or("data", name),
            .form = form.read(entry),
            .target = target_of(entry),
            .metrics = metrics_of(entry, form)};
  if (!is_task_name(task.data)) entry.at("data").fail("consists of letters, digits, _ and -");
  task.version = entry.number_or("version", 0);
  const std::string split = entry.string_or("split", "test");
  if (split != "test" && split != "validation") entry.at("split").fail("is neither \"test\" nor \"validation\"");
  task.dataset = dataset_of(entry, split);
  task.harness_skips_own_row = split == "validation";
  task.target_delimiter = entry.string_or("target_delimiter", " ");
  task.fewshot_delimiter = entry.string_or("fewshot_delimiter", "\n\n");
  if (const auto description = entry.find("description")) task.description = template_of(*description);
  return task;
}

std::string names_of(const TaskTable& tasks) {
  std::string names;
  for (const auto& [name, task] : tasks) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

TaskTable built_in_tasks() {
  TaskTable tasks;
  read_tasks(built_in_tasks_json, "tasks.json", tasks);
  return tasks;
}

void read_tasks(std::string_view json, const std::string& label, TaskTable& tasks) {
  const Json document = parse_json(json, label);
  const JsonView entries(document, label);
  if (!entries.is_object()) entries.fail("expected an object of tasks");
  for (const auto& [name, entry] : document.items()) {
    if (entry.is_null()) entries.fail(fmt::format("{:?} is null", name));
    tasks.insert_or_assign(name, task_of(name, entries.at(name)));
  }
}

std::vector<Task> select_tasks(const TaskTable& tasks, std::string_view names) {
  std::vector<Task> selected;
  for (std::string_view rest = names;;) {
    const size_t comma = rest.find(',');
    std::string name(rest.substr(0, comma));
    std::erase(name, ' ');
    const auto found = tasks.find(name);
    if (found == tasks.end()) bad_input("there is no task {:?}; known are {}", name, names_of(tasks));
    if (std::ranges::find(selected, name, &Task::name) != selected.end()) bad_input("the task {} is named twice", name);
    selected.push_back(found->second);
    if (comma == rest.npos) return selected;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace sleb
