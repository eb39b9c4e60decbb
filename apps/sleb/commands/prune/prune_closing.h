// What `sleb prune` does when its search is done: dense and pruned are compared, the checkpoint and the result written
// and shown.
#pragma once

#include "apps/sleb/commands/eval/evaluation.h"
#include "apps/sleb/commands/prune/kept_rounds.h"
#include "apps/sleb/commands/prune/prune_arguments.h"
#include "sleb/base/progress.h"
#include "sleb/engine/model.h"
#include "sleb/report/prune_report.h"

namespace sleb::app {

// As the closing speed test measures it: the median of a few prompts, dense and pruned in turn.
PromptSpeed measure_prompt_speed(const Model& model, const Plan& pruned, int64_t prompt_tokens, Progress& progress);

// Sizes, speed where it is not known yet, and the evaluation that `inputs` asks for.
void compare(PruneReport& report, const PruneArguments& arguments, const ExportOptions& output, const Model& model,
             EvaluationInputs inputs, const EvaluationRun& run, Progress& progress);

// --recipe: what sleb recipe says of the result, sleb.json's.
void write_recipe(const std::string& path, const OrderedJson& result);

// Writes the checkpoint, the recipe and the result, and shows it.
void finish(const PruneReport& report, const PruneArguments& arguments, const Checkpoint& checkpoint,
            const ExportOptions& output, TableFormat format, KeptRounds& kept_rounds, Progress& progress);

}  // namespace sleb::app
