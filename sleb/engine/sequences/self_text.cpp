#include "sleb/engine/sequences/self_text.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "sleb/base/error.h"
#include "sleb/base/random.h"
#include "sleb/engine/sequences/forward.h"
#include "sleb/engine/sequences/generator.h"

namespace sleb {
namespace {

// Many short sheets are written faster than few long ones, as a pass over the weights serves a token of each; and small
// models lose the thread.
constexpr int64_t shortest_sheet = 128;
constexpr int64_t longest_sheet = 512;
constexpr int64_t largest_batch = 32;
constexpr uint64_t most_cache_bytes = uint64_t{2} << 30;  // in a type of two bytes

constexpr int64_t usual_beginning = 2;  // tokens: BOS and a first one

// A vocabulary without a token to begin with is noticed after so many tries.
constexpr int most_tries = 1'000'000;

class Sheet {
 public:
  Sheet(const TextBounds& bounds, const SelfTextOptions& options, int64_t vocabulary, int64_t number)
      : bounds_(bounds),
        vocabulary_(vocabulary),
        random_({options.seed, static_cast<uint64_t>(options.part), static_cast<uint64_t>(number)}) {}

  double share() { return random_.uniform(); }

  // Of a text behind one that ended with `end`.
  std::vector<int64_t> beginning(std::optional<int64_t> end = {}) {
    std::vector<int64_t> ids = bounds_.before;
    if (!ids.empty() && ids.front() == end) ids.erase(ids.begin());
    ids.push_back(first_token());
    return ids;
  }

  // What stands in the place of a drawn token.
  int64_t take(int64_t drawn) {
    if (!waiting_.empty()) {
      drawn = waiting_.front();
      waiting_.pop_front();
    } else if (std::ranges::find(bounds_.stop_ids, drawn) != bounds_.stop_ids.end()) {
      for (const int64_t id : beginning(drawn)) waiting_.push_back(id);
    }
    return drawn;
  }

 private:
  int64_t first_token() {
    for (int tries = 0; tries < most_tries; ++tries) {
      const auto id = static_cast<int64_t>(random_.uniform() * static_cast<double>(vocabulary_));
      if (bounds_.may_begin(id)) return id;
    }
    bad_input(
        "the tokenizer has no token that stands for a plain piece of text, so there is none to begin a text with");
  }

  const TextBounds& bounds_;
  int64_t vocabulary_;
  NumpyRandom random_;
  std::deque<int64_t> waiting_;  // the rest of a beginning
};

// Sheets that are written together.
std::vector<std::vector<int64_t>> write_sheets(Generator& generator, std::vector<Sheet>& sheets, int64_t tokens_each,
                                               Progress& progress) {
  std::vector<std::vector<int64_t>> ids;
  for (Sheet& sheet : sheets) ids.push_back(sheet.beginning());
  const auto beginning = static_cast<int64_t>(ids[0].size());
  GenerateOptions options{.max_new_tokens = tokens_each - beginning, .temperature = 1};
  options.share = [&](int64_t i) { return sheets[static_cast<size_t>(i)].share(); };
  options.replace = [&](int64_t i, int64_t drawn) { return sheets[static_cast<size_t>(i)].take(drawn); };
  progress.advance(ids.size() * static_cast<uint64_t>(beginning));
  const auto count_token = [&](int64_t, int64_t) { return progress.advance(1), true; };
  const Generation written = generator.generate(Plan(), ids, options, count_token);
  for (size_t i = 0; i < ids.size(); ++i) ids[i].insert(ids[i].end(), written.ids[i].begin(), written.ids[i].end());
  return ids;
}

}  // namespace

TextBounds text_bounds(const Checkpoint& checkpoint) {
  const auto tokenizer = std::make_shared<Tokenizer>(checkpoint.tokenizer());
  return {tokenizer->around_text().before, checkpoint.stop_ids(),
          [tokenizer](int64_t id) { return tokenizer->is_ordinary(id); }};
}

SelfTextSheets self_text_sheets(const ModelSpec& spec, int64_t tokens) {
  const int64_t wanted = std::clamp((tokens + largest_batch - 1) / largest_batch, shortest_sheet, longest_sheet);
  SelfTextSheets sheets{.tokens_each = std::min({wanted, spec.max_positions, tokens})};
  sheets.count = (tokens + sheets.tokens_each - 1) / sheets.tokens_each;
  const Compute two_bytes{.device = "cpu", .dtype = "bfloat16"};
  const uint64_t each = std::max<uint64_t>(1, kv_cache_bytes(spec, two_bytes, Plan(), 1, sheets.tokens_each));
  sheets.batch =
      std::min(sheets.count, std::clamp<int64_t>(static_cast<int64_t>(most_cache_bytes / each), 1, largest_batch));
  return sheets;
}

std::vector<int64_t> write_self_text(const Model& model, const TextBounds& bounds, const SelfTextOptions& options,
                                     Progress& progress) {
  const SelfTextSheets sheets = self_text_sheets(model.spec(), options.tokens);
  const auto beginning = static_cast<int64_t>(bounds.before.size()) + 1;
  if (beginning >= sheets.tokens_each)
    bad_input("a text of {} tokens is too short for one to be written", options.tokens);
  Generator generator(model, sheets.batch, beginning, sheets.tokens_each - beginning);
  progress.begin("writing text", static_cast<uint64_t>(sheets.count * sheets.tokens_each), "tokens");
  std::vector<int64_t> ids;
  for (int64_t first = 0; first < sheets.count; first += sheets.batch) {
    std::vector<Sheet> batch;
    for (int64_t i = first; i < std::min(first + sheets.batch, sheets.count); ++i) {
      batch.emplace_back(bounds, options, model.spec().vocabulary_size, i);
    }
    for (const auto& sheet : write_sheets(generator, batch, sheets.tokens_each, progress)) {
      ids.insert(ids.end(), sheet.begin(), sheet.end());
    }
  }
  progress.end();
  ids.resize(static_cast<size_t>(options.tokens));
  return ids;
}

uint64_t self_text_bytes(const ModelSpec& spec, const Compute& compute, int64_t tokens) {
  const SelfTextSheets sheets = self_text_sheets(spec, tokens);
  // Logits in float32, scaled, their probabilities and the sums of these in float64.
  const auto drawing =
      static_cast<uint64_t>(sheets.batch * spec.vocabulary_size) * (sizeof(float) + 3 * sizeof(double));
  return kv_cache_bytes(spec, compute, Plan(), sheets.batch, sheets.tokens_each) +
         working_bytes(spec, compute, sheets.batch, usual_beginning) + drawing;
}

}  // namespace sleb
