// What `sleb eval` evaluates, and `sleb prune` after its search: perplexity of texts and zero-shot tasks, the dense
// model and pruned ones together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/sleb/commands/eval/eval_tasks.h"
#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/sweep/dense_states.h"
#include "sleb/report/eval_report.h"

namespace sleb::app {

// What can be said without the model. Throws Error(bad_input) for a text without a name, for one that stands twice, and
// what check_evaluation throws.
void check_texts(const std::string& option, const std::vector<std::string>& texts, const EvaluationOptions& options);

struct EvaluationInputs {
  std::vector<Corpus> texts;
  std::vector<LoadedTask> tasks;

  bool empty() const { return texts.empty() && tasks.empty(); }
};
// The option that names texts, and the seed of those that the model writes itself.
struct TextOption {
  std::string name;
  uint64_t seed = 0;
};
// Texts that the model is to write come without their ids (self_text.h). Throws Error.
std::vector<Corpus> load_texts(const TextOption& option, const std::vector<std::string>& names,
                               const Checkpoint& checkpoint, const EvaluationOptions& options, Progress& progress);

// Throws Error(bad_input) for ids that are not of the model's vocabulary.
void check_ids(const Model& model, const EvaluationInputs& inputs);
// All ranks have read the same.
void agree(ProcessGroup& processes, const EvaluationInputs& inputs);

struct EvaluationRun {
  const TaskArguments& tasks;
  int64_t chunk_segments = 0;  // of the texts, computed at once; 0: the default
  // Filled by evaluate, a text each, so that evaluate_repaired can tell divergences; nullptr: not wanted.
  std::vector<DenseStates>* dense_states = nullptr;
  std::filesystem::path scratch = {};  // folder for their files without a name
};
// Fills what `report` lacks: the results on all texts and tasks, of the dense model and the report's removal lists.
// Writes --log-samples.
void evaluate(EvaluationInputs inputs, const Model& model, const EvaluationRun& run, EvalReport& report,
              Progress& progress);
// Adds a row to the results on all of these: the last removal list's, of a model of repaired weights.
void evaluate_repaired(const Model& repaired, const EvaluationRun& run, EvalReport& report, Progress& progress);

}  // namespace sleb::app
