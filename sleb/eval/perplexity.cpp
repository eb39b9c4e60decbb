#include "sleb/eval/perplexity.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/stopwatch.h"

namespace sleb {
namespace {

Estimate mean_of(const std::vector<double>& segments) {
  const auto count = static_cast<double>(segments.size());
  const double mean = std::accumulate(segments.begin(), segments.end(), 0.0) / count;
  if (segments.size() < 2) return {mean, std::nullopt};
  double squares = 0;
  for (const double value : segments) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

std::vector<double> per_token(std::vector<double> sums, int64_t scored) {
  for (double& value : sums) value /= static_cast<double>(scored);
  return sums;
}

std::vector<Plan> with_dense(std::span<const Plan> pruned) {
  std::vector<Plan> plans(1);
  plans.insert(plans.end(), pruned.begin(), pruned.end());
  return plans;
}

}  // namespace

double reference_loss(double total_nll, int64_t seqlen) {
  return total_nll / static_cast<double>(seqlen - 1) * static_cast<double>(seqlen);
}

double perplexity(double reference_loss, int64_t segments, int64_t seqlen) {
  return std::exp(reference_loss / static_cast<double>(segments * seqlen));
}

PerplexityRow perplexity_row(const PlanLoss& loss, const PlanLoss& dense, int64_t scored) {
  assert(!loss.nll.empty() && loss.nll.size() == dense.nll.size() && loss.nll.size() == loss.divergence.size());
  const std::vector<double> nll = per_token(loss.nll, scored);
  std::vector<double> differences = nll;
  const std::vector<double> dense_nll = per_token(dense.nll, scored);
  std::ranges::transform(differences, dense_nll, differences.begin(), std::minus());
  Estimate perplexity = mean_of(nll);
  perplexity.value = std::exp(perplexity.value);
  if (perplexity.error) *perplexity.error *= perplexity.value;
  return {perplexity, mean_of(differences), mean_of(per_token(loss.divergence, scored))};
}

CorpusPerplexity evaluate_perplexity(const PlanEvaluator& evaluator, std::span<const Plan> pruned, Progress& progress,
                                     const DenseStates* keep_dense) {
  const std::vector<Plan> plans = with_dense(pruned);
  const auto start = std::chrono::steady_clock::now();
  auto losses = evaluator.evaluate(
      plans, {.divergence = true, .keep_dense = keep_dense, .stage = "perplexity on " + evaluator.corpus().name},
      progress);
  CorpusPerplexity result;
  result.seconds = seconds_since(start);
  for (size_t i = 0; i < plans.size(); ++i) {
    check_finite(losses[i], plans[i], evaluator.model().checkpoint());
    result.rows.push_back(perplexity_row(losses[i], losses[0], evaluator.corpus().scored()));
  }
  result.dense = std::move(losses[0]);
  return result;
}

PlanLoss evaluate_alone(const PlanEvaluator& evaluator, const Plan& plan, Progress& progress,
                        const DenseStates* dense) {
  const EvaluateOptions options{
      .divergence = dense != nullptr, .dense = dense, .stage = "perplexity on " + evaluator.corpus().name};
  PlanLoss loss = evaluator.evaluate({&plan, 1}, options, progress)[0];
  check_finite(loss, plan, evaluator.model().checkpoint());
  return loss;
}

bool is_finite(const PlanLoss& loss) {
  const auto finite = [](double value) { return std::isfinite(value); };
  return std::ranges::all_of(loss.nll, finite) && std::ranges::all_of(loss.divergence, finite);
}

void check_finite(const PlanLoss& loss, const Plan& plan, const Checkpoint& checkpoint) {
  if (is_finite(loss)) return;
  std::set<int64_t> blocks;
  for (const Unit& unit : plan.bypassed()) blocks.insert(unit.block);
  const std::string removed = blocks.empty() ? "" : fmt::format(" without block {}", fmt::join(blocks, ", "));
  const bool finite_loss = std::isfinite(loss.total_nll());
  failed(
      "{}: the model{} has a {} of {}; its weights may hold NaN or infinity, or the type may be too narrow (try "
      "--dtype float32)",
      checkpoint.path().string(), removed, finite_loss ? "divergence from the dense model" : "loss",
      std::isnan(finite_loss ? loss.total_divergence() : loss.total_nll()) ? "NaN" : "infinity");
}

}  // namespace sleb
