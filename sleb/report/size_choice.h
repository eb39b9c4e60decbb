// How a search that was to remove as many blocks as a condition allows chose their number: what each set on its way
// came to.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/eval/perplexity.h"
#include "sleb/report/table.h"

namespace sleb {

// Of one prompt's forward pass to the last position's logits.
struct PromptSpeed {
  int64_t prompt_tokens;
  double dense;  // tokens per second, median
  double pruned;
  std::vector<double> dense_seconds = {};  // of each repeat
  std::vector<double> pruned_seconds = {};

  double ratio() const { return pruned / dense; }
};

// All that are given must hold.
struct SizeConditions {
  std::optional<double> perplexity = {};  // at most so many times the dense model's, on the held-out text
  std::optional<double> kl = {};          // at most, nats a token, on the held-out text
  std::optional<double> speed_up = {};    // at least so many times as fast on a prompt

  bool any() const { return perplexity || kl || speed_up; }
  bool read_text() const { return perplexity || kl; }
};

// Of the held-out text; errors are over its segments, and a single one has none.
struct HeldOutFigures {
  double perplexity;
  Estimate ratio;  // to the dense model's perplexity; its error to first order, from paired differences
  Estimate kl;     // KL(dense || pruned), nats a token
};

struct SetFigures {
  RemovalList removal_list;
  std::optional<HeldOutFigures> held_out = {};
  std::optional<PromptSpeed> speed = {};  // not measured where the blocks alone could not make it fast enough
};

struct SizeChoice {
  SizeConditions conditions;
  std::optional<Corpus> held_out = {};  // without ids
  double dense_perplexity = 0;          // on it
  // One a number of removals, the fewest first; the last may be the one that was too much.
  std::vector<SetFigures> sets = {};
  size_t chosen = 0;  // of `sets`
};

HeldOutFigures held_out_figures(const PerplexityRow& row);

// Whether none of the limits on what is lost is exceeded, and whether it is as fast as it has to be. A figure that is
// absent counts as kept for the first, and as not reached for the second.
bool is_within(const SetFigures& set, const SizeConditions& conditions);
bool is_fast_enough(const SetFigures& set, const SizeConditions& conditions);

OrderedJson to_json(const SizeChoice& choice, int64_t num_blocks);
// A row a set.
Table sizes_table(const SizeChoice& choice, int64_t num_blocks);
// "1.08 times the dense model's perplexity on wikitext2, KL 0.0712, 1.21 times as fast"
std::string in_words(const SetFigures& set, const SizeChoice& choice);

}  // namespace sleb
