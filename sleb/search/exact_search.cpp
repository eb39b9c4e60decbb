#include "sleb/search/exact_search.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "sleb/eval/perplexity.h"

namespace sleb {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto between_saves = std::chrono::seconds(30);

}  // namespace

GreedyResult exact_search(const PlanEvaluator& evaluator, const GreedyOptions& options, SearchState state,
                          const ExactSearchHooks& hooks, Progress& progress) {
  const auto segments = static_cast<size_t>(evaluator.corpus().segments);
  auto last_saved = Clock::now();
  const auto chunk_done = [&](const std::vector<PlanLoss>& so_far) {
    const bool due = interrupt_requested() || Clock::now() - last_saved > between_saves;
    const bool round_done = so_far[0].nll.size() == segments;
    if (!due || round_done || !std::ranges::all_of(so_far, is_finite)) return;
    state.round = so_far;
    hooks.save(state);
    last_saved = Clock::now();
  };
  const auto losses = [&](const std::vector<Plan>& plans, const std::string& stage) {
    EvaluateOptions evaluate{.stage = stage, .known = std::exchange(state.round, {})};
    if (hooks.save) evaluate.chunk_done = chunk_done;
    std::vector<double> values;
    const std::vector<PlanLoss> results = evaluator.evaluate(plans, evaluate, progress);
    for (size_t i = 0; i < plans.size(); ++i) {
      check_finite(results[i], plans[i], evaluator.model().checkpoint());
      values.push_back(reference_loss(results[i].total_nll(), evaluator.corpus().seqlen));
    }
    return values;
  };
  const auto round_finished = [&](const GreedyResult& so_far) {
    state = {.finished = so_far, .round = {}};
    if (hooks.save) hooks.save(state);
    last_saved = Clock::now();
    if (hooks.round_finished) hooks.round_finished(so_far);
  };
  GreedyResult finished = state.finished;
  return greedy_search(evaluator.model().spec().num_blocks, options, losses, round_finished, std::move(finished));
}

}  // namespace sleb
