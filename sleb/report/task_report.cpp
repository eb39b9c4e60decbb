#include "sleb/report/task_report.h"

#include <fmt/core.h>

#include "sleb/base/json.h"
#include "sleb/base/numbers.h"
#include "sleb/report/dataset_report.h"

namespace sleb {
namespace {

OrderedJson results_json(const std::vector<LoadedTask>& tasks, const std::vector<TaskResult>& results) {
  OrderedJson json;
  for (size_t i = 0; i < tasks.size(); ++i) {
    OrderedJson& entry = json[tasks[i].task.name];
    for (const MetricResult& metric : results[i].metrics) {
      const std::string name(metric_name(metric.metric));
      entry[name] = metric.estimate.value;
      entry[name + "_stderr"] = or_null(metric.estimate.standard_error);
      if (!metric.difference) continue;
      entry[name + "_difference"] = metric.difference->value;
      entry[name + "_difference_stderr"] = or_null(metric.difference->standard_error);
    }
  }
  return json;
}

// Rows have no one field.
OrderedJson source_json(const DatasetOrigin& origin) {
  OrderedJson json;
  add_source(json, origin);
  json["source"].erase("field");
  return json["source"];
}

Cell cell(const std::optional<double>& value) {
  return value ? Cell(fmt::format("{:.4f}", *value), *value) : Cell("-", nullptr);
}

// The removal list of a plan; the first plan is the dense model.
RemovalList removed_in(const TaskReport& report, size_t plan) {
  return plan == 0 ? RemovalList() : report.removal_lists[plan - 1];
}

bool is_repaired(const TaskReport& report, size_t plan) {
  return report.repaired && plan == report.removal_lists.size();
}

OrderedJson sample_json(const LoadedTask& task, size_t index, const QuestionResult& result) {
  const Question& question = task.questions[index];
  OrderedJson requests = OrderedJson::array();
  for (size_t i = 0; i < question.requests.size(); ++i) {
    requests.push_back({{"prompt", question.requests[i].prompt},
                        {"continuation", question.requests[i].continuation},
                        {"log_likelihood", result.scores[i].log_likelihood},
                        {"is_greedy", result.scores[i].is_greedy}});
  }
  OrderedJson json = {{"doc_id", question.id}, {"requests", requests}};
  if (!question.answer.choices.empty()) json["target"] = question.answer.target;
  for (size_t i = 0; i < task.task.metrics.size(); ++i) {
    const Metric metric = task.task.metrics[i];
    json[std::string(metric_name(metric))] = estimate(metric, std::span(&result.parts[i], 1)).value;
  }
  return json;
}

}  // namespace

std::string model_label(const RemovalList& removal_list, bool repaired) {
  return text_of(removal_list) + (repaired ? " repaired" : "");
}

OrderedJson to_json(const TaskReport& report) {
  OrderedJson json = {{"results", results_json(report.tasks, report.run.results[0])}};
  for (size_t plan = 1; plan < report.run.results.size(); ++plan) {
    OrderedJson pruned = {{"removal_list", removed_in(report, plan)}};
    if (is_repaired(report, plan)) pruned["repaired"] = true;
    pruned["results"] = results_json(report.tasks, report.run.results[plan]);
    json["pruned"].push_back(std::move(pruned));
  }
  for (const LoadedTask& task : report.tasks) {
    json["versions"][task.task.name] = task.task.version;
    json["n-shot"][task.task.name] = task.examples;
    json["n-samples"][task.task.name] = {{"original", task.total}, {"effective", task.questions.size()}};
    if (task.source) json["sources"][task.task.name] = source_json(*task.source);
    if (task.examples_source) json["fewshot_sources"][task.task.name] = source_json(*task.examples_source);
  }
  json["tasks_seconds"] = report.run.seconds;
  return json;
}

Table task_table(const TaskReport& report) {
  Table table({"task", "metric", "blocks removed", "value", "stderr", "difference", "difference stderr"});
  for (size_t i = 0; i < report.tasks.size(); ++i) {
    for (size_t metric = 0; metric < report.tasks[i].task.metrics.size(); ++metric) {
      for (size_t plan = 0; plan < report.run.results.size(); ++plan) {
        const MetricResult& result = report.run.results[plan][i].metrics[metric];
        const auto& difference = result.difference;
        table.add({report.tasks[i].task.name, std::string(metric_name(result.metric)),
                   plan == 0 ? "none" : model_label(removed_in(report, plan), is_repaired(report, plan)),
                   cell(result.estimate.value), cell(result.estimate.standard_error),
                   difference ? cell(difference->value) : cell({}),
                   difference ? cell(difference->standard_error) : cell({})});
      }
    }
  }
  return table;
}

std::string samples_jsonl(const TaskReport& report) {
  std::string lines;
  for (size_t plan = 0; plan < report.run.results.size(); ++plan) {
    for (size_t i = 0; i < report.tasks.size(); ++i) {
      const auto& questions = report.run.results[plan][i].questions;
      for (size_t question = 0; question < questions.size(); ++question) {
        OrderedJson json = {{"task", report.tasks[i].task.name}, {"removal_list", removed_in(report, plan)}};
        if (is_repaired(report, plan)) json["repaired"] = true;
        json.update(sample_json(report.tasks[i], question, questions[question]));
        lines += json.dump() + "\n";
      }
    }
  }
  return lines;
}

}  // namespace sleb
