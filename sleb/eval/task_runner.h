// Zero-shot tasks on a model, dense and pruned together.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/engine/sequences/sequence_scorer.h"
#include "sleb/eval/tasks/load.h"

namespace sleb {

struct MetricResult {
  Metric metric;
  MetricEstimate estimate;
  std::optional<MetricEstimate>
      difference;  // to the first plan, over the same questions; none for the first plan itself
};

struct QuestionResult {
  std::vector<ContinuationScore> scores;  // one for each of the question's requests
  std::vector<MetricPart> parts;          // one for each of the task's metrics
};

struct TaskResult {
  std::vector<MetricResult> metrics;
  std::vector<QuestionResult> questions;
};

struct TaskRun {
  std::vector<std::vector<TaskResult>> results;  // [plans][tasks]
  double seconds = 0;
};

// How much there is to compute. What a question's choices share counts once.
struct TaskTokens {
  int64_t groups = 0;   // questions, and windows of texts
  int64_t longest = 0;  // tokens of the longest group
  int64_t total = 0;
  int64_t scored = 0;
};
TaskTokens tokens_of(std::span<const LoadedTask> tasks);

// Throws Error(bad_input) for token ids outside the model's vocabulary, Error(failed) for log-likelihoods that are no
// numbers, Interrupted.
TaskRun run_tasks(const Model& model, std::span<const Plan> plans, std::span<const LoadedTask> tasks,
                  Progress& progress);
// Adds to a run of the same tasks a plan on another model, such as a repaired one. Throws the same.
void add_to(TaskRun& run, const Model& other, const Plan& plan, std::span<const LoadedTask> tasks, Progress& progress);

}  // namespace sleb
