#include "sleb/eval/tasks/request_tokens.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

// Special tokens are added, unless the text spells the prefix token in front (TemplateLM.tok_encode).
Ids encode(const Tokenizer& tokenizer, const ContextRules& rules, std::string_view text) {
  const bool has_prefix = rules.prefix && text.starts_with(rules.prefix->text);
  return tokenizer.encode(text, !has_prefix);
}

const PrefixToken& prefix_of(const ContextRules& rules, const std::string& place) {
  if (!rules.prefix) {
    bad_input("{}: has no prompt, and the tokenizer names neither bos_token nor eos_token to stand in for it", place);
  }
  return *rules.prefix;
}

struct Pair {
  Ids prompt, continuation;
};

Pair encode_without_prompt(const Tokenizer& tokenizer, const ContextRules& rules, const std::string& continuation,
                           const std::string& place) {
  const int64_t prefix = prefix_of(rules, place).id;
  Ids ids = tokenizer.encode(continuation, false);
  if (ids.empty() || ids[0] != prefix) return {{prefix}, std::move(ids)};
  return {{prefix}, Ids(ids.begin() + 1, ids.end())};
}

// Encodes the requests of one question; requests that share their prompt share its encoding.
class PairEncoder {
 public:
  PairEncoder(const Tokenizer& tokenizer, const ContextRules& rules) : tokenizer_(tokenizer), rules_(rules) {}

  Pair encode_pair(const Request& request) {
    const std::string_view prompt = without_blanks_behind(request.prompt);
    if (prompt != prompt_ || prompt_ids_.empty()) {
      prompt_ = prompt;
      prompt_ids_ = encode(tokenizer_, rules_, prompt_);
    }
    const Ids whole = encode(tokenizer_, rules_, request.prompt + request.continuation);
    const auto split = static_cast<std::ptrdiff_t>(std::min(prompt_ids_.size(), whole.size()));
    return {prompt_ids_, Ids(whole.begin() + split, whole.end())};
  }

 private:
  const Tokenizer& tokenizer_;
  const ContextRules& rules_;
  std::string prompt_;
  Ids prompt_ids_;
};

// The last max_length + 1 ids: the model sees all but the last.
TokenRequest cut(const Pair& pair, const ContextRules& rules, const std::string& place, int64_t& truncated) {
  const auto scored = static_cast<int64_t>(pair.continuation.size());
  if (pair.prompt.empty()) bad_input("{}: the prompt has no tokens", place);
  if (scored == 0) bad_input("{}: the continuation adds no tokens to the prompt", place);
  if (scored > rules.max_length) {
    bad_input("{}: the continuation has {} tokens, the model's context {}", place, scored, rules.max_length);
  }
  Ids ids = pair.prompt;
  ids.insert(ids.end(), pair.continuation.begin(), pair.continuation.end());
  const int64_t excess = static_cast<int64_t>(ids.size()) - (rules.max_length + 1);
  if (excess > 0) {
    ids.erase(ids.begin(), ids.begin() + excess);
    ++truncated;
  }
  return {std::move(ids), scored};
}

// lm_eval/utils.py, get_rolling_token_windows with context_len 1, and make_disjoint_window.
std::vector<TokenRequest> windows_of(const Ids& ids, int64_t prefix, int64_t max_length) {
  std::vector<TokenRequest> windows;
  const auto total = static_cast<int64_t>(ids.size());
  int64_t done = std::min(max_length, total);
  if (total == 0) return windows;
  Ids first = {prefix};
  first.insert(first.end(), ids.begin(), ids.begin() + done);
  windows.push_back({std::move(first), done});
  while (done < total) {
    const int64_t scored = std::min(total - done, max_length);
    const int64_t end = done + scored;
    windows.push_back({Ids(ids.begin() + (end - max_length - 1), ids.begin() + end), scored});
    done = end;
  }
  return windows;
}

}  // namespace

RequestTokens encode_requests(const Tokenizer& tokenizer, const ContextRules& rules, const Question& question,
                              bool whole_text) {
  RequestTokens result;
  PairEncoder pairs(tokenizer, rules);
  for (const Request& request : question.requests) {
    if (whole_text) {
      const int64_t prefix = prefix_of(rules, question.place).id;
      auto windows = windows_of(encode(tokenizer, rules, request.continuation), prefix, rules.max_length);
      std::ranges::move(windows, std::back_inserter(result.sequences));
      continue;
    }
    const Pair pair = request.prompt.empty()
                          ? encode_without_prompt(tokenizer, rules, request.continuation, question.place)
                          : pairs.encode_pair(request);
    result.sequences.push_back(cut(pair, rules, question.place, result.truncated));
  }
  return result;
}

}  // namespace sleb
