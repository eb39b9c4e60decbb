#include "apps/sleb/commands/repair_text.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "apps/sleb/commands/evaluation.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/self_text.h"
#include "sleb/base/error.h"
#include "sleb/engine/repair/repair.h"

namespace sleb::app {
namespace {

constexpr const char* option = "--repair-dataset";

// Segments of each text; nothing where it has no number of its own.
std::vector<std::optional<int64_t>> own_segments(const RepairTextArguments& arguments) {
  std::vector<std::optional<int64_t>> segments;
  for (const std::string& name : arguments.datasets) {
    const bool has_number = name.find(':') != name.npos;
    const auto text = self_text_corpus(option, name, {.seed = arguments.seed}, arguments.seqlen, {});
    segments.push_back(text && has_number ? std::optional(text->segments) : std::nullopt);
  }
  return segments;
}

// Those without a number share what is left, the first ones one more where it can't be even.
std::vector<int64_t> shared_segments(const ModelSpec& spec, const RepairTextArguments& arguments) {
  const auto own = own_segments(arguments);
  std::vector<int64_t> segments;
  int64_t given = 0, sharers = 0;
  for (const auto& number : own) number ? given += *number : ++sharers;
  if (sharers == 0 && arguments.tokens > 0) {
    bad_input("--repair-tokens {}: every text has a number of its own already; leave one of them out",
              arguments.tokens);
  }
  const int64_t tokens = arguments.tokens > 0 ? arguments.tokens : default_repair_tokens(spec);
  int64_t left = (tokens + arguments.seqlen - 1) / arguments.seqlen - given;
  if (sharers > 0 && left < sharers) {
    bad_input("--repair-tokens {}: the {} tokens of texts with a number of their own leave too few for the others",
              tokens, given * arguments.seqlen);
  }
  for (const auto& number : own) {
    segments.push_back(number ? *number : (left + sharers - 1) / sharers);
    if (number) continue;
    left -= segments.back();
    --sharers;
  }
  return segments;
}

CalibrationArguments one_text(const RepairTextArguments& arguments, size_t index, int64_t segments) {
  CalibrationArguments one;
  one.option = option;
  one.dataset = arguments.datasets[index];
  one.segments = segments;
  one.bos = arguments.bos;
  one.as_many_rows_as_needed = true;
  one.options.seqlen = arguments.seqlen;
  one.options.seed = arguments.seed;
  return one;
}

}  // namespace

void add_repair_text(CLI::App& command, RepairTextArguments& arguments, const std::string& default_texts) {
  add_texts(command, option, arguments.datasets,
            fmt::format("Texts that the kept blocks are fitted to, mixed: self[:TOKENS] (text that the dense model "
                        "writes), and names and files as sleb prune's --dataset takes them (default: {}). What is "
                        "fitted decides whom it serves: self-written text is the safe ground, other text an addition",
                        default_texts));
  command
      .add_option("--repair-tokens", arguments.tokens,
                  "Tokens of all these texts together, shared evenly by those without a number of their own (default: "
                  "40 for each column of the widest fitted matrix)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 28))
      ->type_name("N");
}

void check_repair_texts(const RepairTextArguments& arguments) {
  const std::vector<std::string>& names = arguments.datasets;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) bad_input("{}: a text without a name; give names and files separated by commas", option);
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      bad_input("{} {}: the text stands twice", option, names[i]);
    }
    check_calibration(one_text(arguments, i, 0));
  }
}

std::vector<Corpus> load_repair_texts(const Checkpoint& checkpoint, const RepairTextArguments& arguments,
                                      Progress& progress) {
  const std::vector<int64_t> segments = shared_segments(checkpoint.spec(), arguments);
  std::vector<Corpus> texts;
  for (size_t i = 0; i < segments.size(); ++i) {
    texts.push_back(load_calibration(checkpoint, one_text(arguments, i, segments[i]), progress));
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
