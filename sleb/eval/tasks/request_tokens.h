// Requests as token ids, cut as lm-evaluation-harness 0.4.13 cuts them for a model of transformers
// (lm_eval/api/model.py, TemplateLM; lm_eval/models/huggingface.py, HFLM).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/eval/tasks/prefix_token.h"
#include "sleb/eval/tasks/question.h"
#include "sleb/text/tokenizer.h"

namespace sleb {

// The last `scored` ids are scored, each given all ids before it; 1 <= scored < ids.size(). The last id is no input.
struct TokenRequest {
  std::vector<int64_t> ids;
  int64_t scored;
};

struct ContextRules {
  std::optional<PrefixToken> prefix;  // stands in for an empty prompt
  int64_t max_length = 0;             // tokens that the model sees at once; what exceeds them is cut off in front
};

struct RequestTokens {
  std::vector<TokenRequest> sequences;
  int64_t truncated = 0;  // how many of them lost tokens in front
};

// One sequence for each request; for a text that is scored whole, one for each window: [sum over requests].
// - Blanks at a prompt's end are moved to the continuation. The continuation's ids are those of both together behind as
//   many as the prompt alone has.
// - An empty prompt is the prefix token, unless the continuation begins with it.
// - Windows do not overlap, but the last one, which is filled up with ids already scored; the first begins with the
//   prefix token.
// Throws Error(bad_input), naming the row, for a continuation without tokens or with more than `max_length`, a prompt
// without tokens, and a model without prefix token that needs one.
RequestTokens encode_requests(const Tokenizer& tokenizer, const ContextRules& rules, const Question& question,
                              bool whole_text);

}  // namespace sleb
