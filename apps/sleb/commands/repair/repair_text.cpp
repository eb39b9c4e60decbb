#include "apps/sleb/commands/repair/repair_text.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/texts.h"
#include "sleb/base/error.h"
#include "sleb/engine/repair/repair.h"

namespace sleb::app {
namespace {

constexpr const char* repair_dataset = "--repair-dataset";
// Self-written text counts as three others: docs/benchmarks.md, "What a repair is fitted to".
constexpr int64_t self_parts = 3;

std::vector<TextShare> shares_of(const RepairTextArguments& arguments) {
  std::vector<TextShare> shares;
  for (const std::string& text : arguments.datasets) {
    shares.push_back(share_of(repair_dataset, text, arguments.seqlen));
    if (shares.back().text == "self") shares.back().parts = self_parts;
  }
  return shares;
}

}  // namespace

void add_repair_text(CLI::App& command, RepairTextArguments& arguments, const std::string& default_texts) {
  add_texts(command, repair_dataset, arguments.datasets,
            fmt::format("Texts that the kept blocks are fitted to, mixed: self (text that the dense model writes), and "
                        "names and files as sleb prune's --dataset takes them, each with TOKENS of its own if given "
                        "behind a colon (default: {}). What is fitted decides whom it serves: self-written text is the "
                        "safe ground, other text an addition",
                        default_texts));
  command
      .add_option("--repair-tokens", arguments.tokens,
                  "Tokens of all these texts together, shared by those without a number of their own, of which self "
                  "counts three times (default: 64 for each column of the widest fitted matrix)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 28))
      ->type_name("N");
}

void check_repair_texts(const RepairTextArguments& arguments) {
  check_names(repair_dataset, arguments.datasets);
  for (const TextShare& share : shares_of(arguments)) check_mixed(repair_dataset, share, arguments.seqlen);
}

std::vector<Corpus> load_repair_texts(const Checkpoint& checkpoint, const RepairTextArguments& arguments,
                                      Progress& progress) {
  const std::vector<TextShare> shares = shares_of(arguments);
  const bool all_have_numbers =
      std::ranges::all_of(shares, [](const TextShare& one) { return one.segments.has_value(); });
  std::optional<TextTotal> total;
  if (arguments.tokens > 0 || !all_have_numbers) {
    const int64_t tokens = arguments.tokens > 0 ? arguments.tokens : default_repair_tokens(checkpoint.spec());
    total = {fmt::format("--repair-tokens {}", tokens), (tokens + arguments.seqlen - 1) / arguments.seqlen};
  }
  const std::vector<int64_t> segments = shared_segments(shares, total, arguments.seqlen);
  std::vector<Corpus> texts;
  for (size_t i = 0; i < shares.size(); ++i) {
    const CalibrationOptions options{.seed = arguments.seed, .seqlen = arguments.seqlen, .segments = segments[i]};
    texts.push_back(load_mixed(checkpoint, {repair_dataset, shares[i], options, arguments.bos}, progress));
  }
  return texts;
}

Corpus joined(const std::vector<Corpus>& texts) {
  std::vector<std::string> names;
  std::vector<int64_t> ids;
  for (const Corpus& text : texts) {
    names.push_back(text.name);
    ids.insert(ids.end(), text.ids.begin(), text.ids.end());
  }
  return cut_segments(fmt::format("{}", fmt::join(names, ",")), std::move(ids), texts.front().seqlen, {});
}

}  // namespace sleb::app
