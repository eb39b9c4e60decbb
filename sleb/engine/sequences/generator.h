// Text generation: prompts in, the tokens that follow out, one at a time through a cache of keys and values.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "sleb/engine/model.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

struct GenerateOptions {
  int64_t max_new_tokens = 0;
  double temperature = 0;              // 0: the likeliest token (greedy); else drawn from softmax(logits / temperature)
  uint64_t seed = 0;                   // of the draws
  std::vector<int64_t> stop_ids = {};  // a sequence ends with the first of these
  // In place of `seed`: a number from [0, 1) for that sequence's draw, asked for each in order at each step.
  std::function<double(int64_t sequence)> share = {};
  // The id that takes the place of the chosen one; the sequence goes on from it.
  std::function<int64_t(int64_t sequence, int64_t chosen)> replace = {};
};

// Hears each new token of each sequence that has not ended; returns false to end the whole generation.
using TokenListener = std::function<bool(int64_t sequence, int64_t id)>;

struct Generation {
  std::vector<std::vector<int64_t>> ids;  // [sequences]: the new tokens, with the one that stopped it
  double first_token_seconds = 0;         // until the first token of every sequence was known
  double seconds = 0;
};

// Runs a model, or what a plan keeps of it, on batches of prompts.
class Generator {
 public:
  // Room for `batch` prompts of up to `prompt_tokens` tokens with `new_tokens` behind each, allocated once; the model
  // must outlive it. Throws Error(bad_input) if a sequence would be longer than the model's learned positions,
  // Error(failed), before anything is allocated, if the memory that is free would not do.
  Generator(const Model& model, int64_t batch, int64_t prompt_tokens, int64_t new_tokens);
  ~Generator();
  Generator(Generator&&) noexcept;

  // At most `batch` prompts of any lengths, none empty. Greedy generation gives each the tokens that it would have
  // alone, up to rounding. Throws Error(bad_input) for no prompt or an empty one, an id outside the vocabulary, or
  // more tokens than there is room for; Interrupted.
  Generation generate(const Plan& plan, std::span<const std::vector<int64_t>> prompts, const GenerateOptions& options,
                      const TokenListener& listener = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Bytes of the keys and values of that many tokens in every block whose attention the plan keeps.
uint64_t kv_cache_bytes(const ModelSpec& spec, const Compute& compute, const Plan& plan, int64_t batch, int64_t tokens);

}  // namespace sleb
