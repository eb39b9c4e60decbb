#include "sleb/eval/prompt_speed.h"

#include <algorithm>
#include <chrono>
#include <random>

namespace sleb {
namespace {

double seconds_of_prompt(const Model& model, const Plan& plan, const std::vector<int64_t>& ids) {
  const auto start = std::chrono::steady_clock::now();
  compute_logits(model, plan, ids, LogitRows::last);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

PromptSpeed measure_prompt_speed(const Model& model, const Plan& pruned, int64_t prompt_tokens, int64_t repeats,
                                 Progress& progress) {
  std::mt19937_64 random(0);
  std::vector<int64_t> ids(static_cast<size_t>(prompt_tokens));
  for (int64_t& id : ids) id = static_cast<int64_t>(random() % static_cast<uint64_t>(model.spec().vocabulary_size));
  std::vector<double> dense_seconds;
  std::vector<double> pruned_seconds;
  progress.begin("prompt speed", static_cast<uint64_t>(repeats + 1), "runs");
  for (int64_t run = 0; run <= repeats; ++run) {
    check_interrupt();
    const double dense = seconds_of_prompt(model, Plan(), ids);
    const double shallow = seconds_of_prompt(model, pruned, ids);
    progress.advance(1);
    if (run == 0) continue;  // warm-up
    dense_seconds.push_back(dense);
    pruned_seconds.push_back(shallow);
  }
  progress.end();
  const auto tokens = static_cast<double>(prompt_tokens);
  return {prompt_tokens, tokens / median(dense_seconds), tokens / median(pruned_seconds)};
}

}  // namespace sleb
