#include "sleb/eval/task_runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "sleb/base/error.h"
#include "sleb/base/stopwatch.h"
#include "sleb/engine/plans/token_tree.h"

namespace sleb {
namespace {

bool is_whole_text(const LoadedTask& task) {
  return std::holds_alternative<WholeText>(task.task.form);
}

// A group for each question, so that its choices share their prompt; a text's windows share nothing and are groups by
// themselves.
void add_groups(const LoadedTask& task, std::vector<SequenceGroup>& groups) {
  for (const auto& sequences : task.sequences) {
    if (!is_whole_text(task)) groups.emplace_back();
    for (const TokenRequest& request : sequences) {
      if (is_whole_text(task)) groups.emplace_back();
      groups.back().push_back({request.ids, request.scored});
    }
  }
}

// Reads the scores of one plan in the order in which add_groups made the groups.
class ScoreReader {
 public:
  explicit ScoreReader(std::span<const std::vector<SequenceScore>> groups) : rest_(groups) {}

  std::vector<ContinuationScore> of_question(const LoadedTask& task, size_t question) {
    if (!is_whole_text(task)) return next_group();
    ContinuationScore text{0, true};
    for (size_t window = 0; window < task.sequences[question].size(); ++window) {
      const ContinuationScore score = next_group()[0];
      text.log_likelihood += score.log_likelihood;
      text.is_greedy = text.is_greedy && score.is_greedy;
    }
    return {text};
  }

 private:
  std::vector<ContinuationScore> next_group() {
    std::vector<ContinuationScore> scores;
    for (const SequenceScore& score : rest_.front()) scores.push_back({score.log_likelihood, score.is_greedy});
    rest_ = rest_.subspan(1);
    return scores;
  }

  std::span<const std::vector<SequenceScore>> rest_;
};

std::vector<MetricPart> parts_of(const TaskResult& result, size_t metric) {
  std::vector<MetricPart> parts;
  for (const QuestionResult& question : result.questions) parts.push_back(question.parts[metric]);
  return parts;
}

TaskResult result_of(const LoadedTask& task, ScoreReader& scores, const TaskResult* dense) {
  TaskResult result;
  for (size_t i = 0; i < task.questions.size(); ++i) {
    QuestionResult question{scores.of_question(task, i), {}};
    for (const ContinuationScore& score : question.scores) {
      if (std::isnan(score.log_likelihood)) {
        failed("{}: the model's log-likelihood is not a number", task.questions[i].place);
      }
    }
    for (const Metric metric : task.task.metrics) {
      question.parts.push_back(metric_part(metric, task.questions[i].answer, question.scores));
    }
    result.questions.push_back(std::move(question));
  }
  for (size_t i = 0; i < task.task.metrics.size(); ++i) {
    const Metric metric = task.task.metrics[i];
    const auto parts = parts_of(result, i);
    result.metrics.push_back({metric, estimate(metric, parts), {}});
    if (dense != nullptr) result.metrics.back().difference = paired_difference(metric, parts, parts_of(*dense, i));
  }
  return result;
}

// The run's first plan is what the others are compared with.
void add_plans(TaskRun& run, const Model& model, std::span<const Plan> plans, std::span<const LoadedTask> tasks,
               Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<SequenceGroup> groups;
  for (const LoadedTask& task : tasks) add_groups(task, groups);
  for (const auto& scores : score_sequences(model, plans, groups, {.stage = "tasks"}, progress)) {
    ScoreReader reader(scores);
    std::vector<TaskResult> results;
    for (size_t i = 0; i < tasks.size(); ++i) {
      results.push_back(result_of(tasks[i], reader, run.results.empty() ? nullptr : &run.results[0][i]));
    }
    run.results.push_back(std::move(results));
  }
  run.seconds += seconds_since(start);
}

}  // namespace

TaskTokens tokens_of(std::span<const LoadedTask> tasks) {
  std::vector<SequenceGroup> groups;
  for (const LoadedTask& task : tasks) add_groups(task, groups);
  TaskTokens tokens{.groups = static_cast<int64_t>(groups.size())};
  for (const SequenceGroup& group : groups) {
    TokenTree tree;
    for (const ScoredSequence& sequence : group) {
      tree.add(sequence.ids);
      tokens.scored += sequence.scored;
    }
    tokens.longest = std::max(tokens.longest, tree.size());
    tokens.total += tree.size();
  }
  return tokens;
}

TaskRun run_tasks(const Model& model, std::span<const Plan> plans, std::span<const LoadedTask> tasks,
                  Progress& progress) {
  TaskRun run;
  add_plans(run, model, plans, tasks, progress);
  return run;
}

void add_to(TaskRun& run, const Model& other, const Plan& plan, std::span<const LoadedTask> tasks, Progress& progress) {
  add_plans(run, other, {&plan, 1}, tasks, progress);
}

}  // namespace sleb
