// How fast a model reads a prompt, dense against pruned.
#pragma once

#include "sleb/engine/plan_evaluator.h"

namespace sleb {

struct PromptSpeed {
  int64_t prompt_tokens;
  double dense;  // tokens per second, median
  double pruned;
};

// One sequence of `prompt_tokens` random ids to the last position's logits, `repeats` times after one warm-up each,
// dense and pruned in turn so that both see the same machine.
PromptSpeed measure_prompt_speed(const Model& model, const Plan& pruned, int64_t prompt_tokens, int64_t repeats,
                                 Progress& progress);

}  // namespace sleb
