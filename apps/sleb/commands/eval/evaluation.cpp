#include "apps/sleb/commands/eval/evaluation.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/texts.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/engine/processes/process_group.h"
#include "sleb/engine/sweep/plan_evaluator.h"

namespace sleb::app {
namespace {

std::string speed_line(const TextPerplexity& perplexity) {
  const size_t pruned = perplexity.result.rows.size() - 1;
  const std::string models =
      pruned == 0 ? "the dense model" : fmt::format("the dense and {} pruned model{}", pruned, pruned == 1 ? "" : "s");
  return fmt::format("{}: {} segments of {} tokens in {}, {:.0f} tokens/s for {}", perplexity.text.name,
                     perplexity.text.segments, perplexity.text.seqlen, format_seconds(perplexity.result.seconds),
                     perplexity.tokens_per_second(), models + (pruned == 0 ? "" : " together"));
}

}  // namespace

void check_texts(const std::string& option, const std::vector<std::string>& texts, const EvaluationOptions& options) {
  check_names(option, texts);
  for (const std::string& name : texts) check_evaluation(option, name, options);
}

std::vector<Corpus> load_texts(const TextOption& option, const std::vector<std::string>& names,
                               const Checkpoint& checkpoint, const EvaluationOptions& options, Progress& progress) {
  std::vector<Corpus> texts;
  if (names.empty()) return texts;
  check_sequence_length(checkpoint.spec(), options.seqlen, "--seqlen");
  const Tokenizer tokenizer = checkpoint.tokenizer();
  for (const std::string& name : names) {
    texts.push_back(load_evaluation(option.name, name, option.seed, tokenizer, options, progress));
  }
  return texts;
}

void check_ids(const Model& model, const EvaluationInputs& inputs) {
  for (const Corpus& text : inputs.texts) const PlanEvaluator checks(model, text);
  const int64_t vocabulary = model.spec().vocabulary_size;
  for (const LoadedTask& task : inputs.tasks) {
    for (const auto& requests : task.sequences) {
      for (const TokenRequest& request : requests) {
        const int64_t largest = std::ranges::max(request.ids);
        if (largest < vocabulary) continue;
        bad_input("{}: the tokenizer gives the id {}, and the model's vocabulary has {}", task.task.name, largest,
                  vocabulary);
      }
    }
  }
}

void agree(ProcessGroup& processes, const EvaluationInputs& inputs) {
  std::string ids;
  for (const Corpus& text : inputs.texts) ids += text.ids_sha256;
  processes.agree("the texts' ids", ids);
  processes.agree("the tasks' ids", ids_sha256(inputs.tasks));
}

void evaluate(EvaluationInputs inputs, const Model& model, const EvaluationRun& run, EvalReport& report,
              Progress& progress) {
  std::vector<Plan> plans;
  for (const auto& list : report.removal_lists) plans.push_back(plan_without(list));
  for (Corpus& text : inputs.texts) {
    const PlanEvaluator evaluator(model, text, 0, run.chunk_segments);
    const DenseStates* keep = nullptr;
    if (run.dense_states != nullptr) keep = &run.dense_states->emplace_back(model, text, run.scratch);
    CorpusPerplexity result = evaluate_perplexity(evaluator, plans, progress, keep);
    report.perplexity.push_back({std::move(text), std::move(result)});
    progress.note(speed_line(report.perplexity.back()));
  }
  if (inputs.tasks.empty()) return;
  report.tasks = run_tasks(run.tasks, model, std::move(inputs.tasks), report.removal_lists, progress);
}

void evaluate_repaired(const Model& repaired, const EvaluationRun& run, EvalReport& report, Progress& progress) {
  const RemovalList removal_list = report.removal_lists.back();
  const Plan plan = plan_without(removal_list);
  for (size_t i = 0; i < report.perplexity.size(); ++i) {
    TextPerplexity& text = report.perplexity[i];
    const PlanEvaluator evaluator(repaired, text.text, 0, run.chunk_segments);
    const PlanLoss loss = evaluate_alone(evaluator, plan, progress, &run.dense_states->at(i));
    text.result.rows.push_back(perplexity_row(loss, text.result.dense, text.text.scored()));
  }
  report.removal_lists.push_back(removal_list);
  report.repaired = true;
  if (report.tasks) add_repaired(run.tasks, repaired, removal_list, *report.tasks, progress);
}

}  // namespace sleb::app
