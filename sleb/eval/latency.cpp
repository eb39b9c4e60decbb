#include "sleb/eval/latency.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <random>

#include "sleb/engine/sequences/generator.h"

namespace sleb {
namespace {

std::vector<int64_t> random_ids(int64_t count, int64_t vocabulary, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> ids(static_cast<size_t>(count));
  for (int64_t& id : ids) id = static_cast<int64_t>(random() % static_cast<uint64_t>(vocabulary));
  return ids;
}

// One kind of run, on prompts that are made once.
class Runner {
 public:
  Runner(const Model& model, const LatencyOptions& options) : model_(model), options_(options) {
    if (options.mode == LatencyMode::generation) {
      generator_.emplace(model, options.batch, options.prompt_tokens, options.new_tokens);
    } else {
      check_memory(model, options.batch, options.prompt_tokens, 0);
    }
    ids_ = random_ids(options.batch * options.prompt_tokens, model.spec().vocabulary_size, options.seed);
    for (auto begin = ids_.begin(); begin != ids_.end(); begin += options.prompt_tokens) {
      prompts_.emplace_back(begin, begin + options.prompt_tokens);
    }
  }

  void run(const Plan& plan, Latency* latency) {
    if (generator_) {
      const Generation generation = generator_->generate(plan, prompts_, {.max_new_tokens = options_.new_tokens});
      if (latency == nullptr) return;
      latency->seconds.push_back(generation.seconds);
      latency->first_token_seconds.push_back(generation.first_token_seconds);
      return;
    }
    const auto start = std::chrono::steady_clock::now();
    run_forward(model_, plan, ids_, options_.batch, options_.logits);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (latency != nullptr) latency->seconds.push_back(seconds.count());
  }

 private:
  const Model& model_;
  const LatencyOptions& options_;
  std::vector<int64_t> ids_;  // [batch * prompt_tokens]
  std::vector<std::vector<int64_t>> prompts_;
  std::optional<Generator> generator_;
};

}  // namespace

LatencyComparison measure_latency(const Model& model, std::span<const Plan> plans, const LatencyOptions& options,
                                  Progress& progress) {
  Plan no_blocks;
  for (int64_t block = 0; block < model.spec().num_blocks; ++block) no_blocks.bypass_block(block);
  Runner runner(model, options);
  LatencyComparison result;
  result.models.resize(plans.size());
  const int64_t rounds = options.warmups + options.repeats;
  progress.begin(options.mode == LatencyMode::prompt ? "reading prompts" : "generating",
                 static_cast<uint64_t>(rounds) * plans.size(), "runs");
  for (int64_t round = 0; round < rounds; ++round) {
    const bool counts = round >= options.warmups;
    for (size_t i = 0; i < plans.size(); ++i) {
      check_interrupt();
      runner.run(plans[i], counts ? &result.models[i] : nullptr);
      progress.advance(1);
    }
    runner.run(no_blocks, counts ? &result.outside : nullptr);
  }
  progress.end();
  return result;
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace sleb
