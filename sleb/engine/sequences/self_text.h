// Text that a model writes itself, to calibrate on or to compare models on where there is no other.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/model.h"

namespace sleb {

// How texts begin and end, of a model and its tokenizer.
struct TextBounds {
  std::vector<int64_t> before;    // what the tokenizer puts before a text
  std::vector<int64_t> stop_ids;  // what ends one
  std::function<bool(int64_t id)> may_begin;
};
// The checkpoint must outlive them.
TextBounds text_bounds(const Checkpoint& checkpoint);

// The sheets on which a text of `tokens` tokens is written: sequences of `tokens_each`, the last one cut, `batch` of
// them at a time. They depend on the model's shape alone, as the arrangement decides about a result's last bits.
struct SelfTextSheets {
  int64_t tokens_each = 0;
  int64_t count = 0;
  int64_t batch = 0;
};
SelfTextSheets self_text_sheets(const ModelSpec& spec, int64_t tokens);

// Ids [options.tokens], one sheet behind the other. A sheet begins with bounds.before and a token drawn evenly from
// those that may begin a text; each token after it is drawn from the model's distribution, temperature 1. Behind a
// token that ends a text the next one begins in the same way (bounds.before without a token that repeats the end), and
// sees those before it on its sheet, as what follows it in a segment will. Numbers for sheet s are those of
// numpy.random.default_rng([seed, part, s]).random(), one for each token of the sheet behind its first text's
// bounds.before, of which those of replaced tokens are not used, and one for each try to find a first token.
// Throws Error(bad_input) if no token of the tokenizer may begin a text; what Generator throws.
std::vector<int64_t> write_self_text(const Model& model, const TextBounds& bounds, const SelfTextOptions& options,
                                     Progress& progress);

// Bytes that it takes beside the weights.
uint64_t self_text_bytes(const ModelSpec& spec, const Compute& compute, int64_t tokens);

}  // namespace sleb
