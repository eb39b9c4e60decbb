// Perplexities and tasks of a result: the JSON of `sleb eval`.

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "sleb/report/result/prune_result.h"

namespace sleb::result {
namespace {

constexpr size_t most_results = 10'000;  // texts, tasks

const Json::object_t& members(const JsonView& object) {
  if (!object.is_object()) object.fail("expected an object");
  if (object.raw().size() > most_results) object.fail("more results than a page can show");
  return object.raw().get_ref<const Json::object_t&>();
}

ModelState state_of(const JsonView& row, bool dense) {
  if (dense) return ModelState::dense;
  return row.boolean_or("repaired", false) ? ModelState::repaired : ModelState::removed;
}

std::optional<Measured> measured_if_there(const JsonView& object, const std::string& value) {
  if (!object.has(value)) return {};
  return measured(object, value, value + "_stderr");
}

TextPerplexity text_of(const std::string& name, const JsonView& details) {
  TextPerplexity text{.text = name,
                      .segments = details.at("segments").integer(1),
                      .seqlen = details.at("seqlen").integer(1),
                      .rows = {}};
  const JsonView rows = details.at("rows");
  for (size_t i = 0; i < rows.size(); ++i) {
    const JsonView row = rows.at(i);
    amount(row.at("perplexity"));
    text.rows.push_back({.model = state_of(row, i == 0),
                         .perplexity = measured(row, "perplexity", "perplexity_stderr"),
                         .difference = measured_if_there(row, "difference"),
                         .divergence = measured_if_there(row, "divergence")});
    if (text.rows.back().perplexity.value < 1) row.at("perplexity").fail("a perplexity is 1 at least");
  }
  if (text.rows.empty()) rows.fail("expected a list of models");
  return text;
}

// The metrics of a task are the members with a standard error beside them.
void add_task(const std::string& task, const JsonView& results, ModelState model, int64_t questions,
              std::vector<TaskMetric>& tasks) {
  for (const auto& member : members(results)) {
    const std::string& key = member.first;
    if (!results.raw().contains(key + "_stderr") || key.ends_with("_difference")) continue;
    auto metric = std::find_if(tasks.begin(), tasks.end(),
                               [&](const TaskMetric& other) { return other.task == task && other.metric == key; });
    if (metric == tasks.end()) {
      tasks.push_back({.task = task, .metric = key, .questions = questions, .rows = {}});
      metric = std::prev(tasks.end());
    }
    metric->rows.push_back(
        {model, measured(results, key, key + "_stderr"), measured_if_there(results, key + "_difference")});
  }
}

void add_tasks(const JsonView& results, ModelState model, const JsonView& evaluation, std::vector<TaskMetric>& tasks) {
  for (const auto& [name, value] : members(results)) {
    const JsonView samples = evaluation.at("n-samples").at(name);
    add_task(name, results.at(name), model, samples.at("effective").integer(0), tasks);
  }
}

}  // namespace

void read_evaluation(const JsonView& json, PruneResult& result) {
  if (const auto details = json.find("perplexity_details")) {
    for (const auto& [name, value] : members(*details)) result.texts.push_back(text_of(name, details->at(name)));
  }
  const auto results = json.find("results");
  if (!results) return;
  add_tasks(*results, ModelState::dense, json, result.tasks);
  const JsonView pruned = json.at("pruned");
  for (size_t i = 0; i < pruned.size() && i < most_results; ++i) {
    add_tasks(pruned.at(i).at("results"), state_of(pruned.at(i), false), json, result.tasks);
  }
}

}  // namespace sleb::result
