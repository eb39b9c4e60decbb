#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

#include <fmt/core.h>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/text/component_steps.h"
#include "sleb/text/growth.h"
#include "sleb/text/pre_tokenizer/by_script.h"
#include "sleb/text/pre_tokenizer/byte_level.h"
#include "sleb/text/pre_tokenizer/metaspace.h"
#include "sleb/text/pre_tokenizer/split.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

std::unique_ptr<PreTokenizer> make_byte_level(const JsonView& component) {
  // "trim_offsets" moves offsets, which sleb does not report.
  return std::make_unique<ByteLevel>(component.at("add_prefix_space").boolean(),
                                     component.boolean_or("use_regex", true));
}

std::unique_ptr<PreTokenizer> make_split(const JsonView& component) {
  return std::make_unique<Split>(pattern_finder(component.at("pattern")), split_behavior(component.at("behavior")),
                                 component.at("invert").boolean());
}

std::unique_ptr<PreTokenizer> make_digits(const JsonView& component) {
  const bool individual = component.at("individual_digits").boolean();
  return std::make_unique<Split>(character_finder(is_numeric),
                                 individual ? SplitBehavior::isolated : SplitBehavior::contiguous, false);
}

std::unique_ptr<PreTokenizer> make_punctuation(const JsonView& component) {
  const auto behavior = component.find("behavior");
  return std::make_unique<Split>(character_finder(is_punctuation),
                                 behavior ? split_behavior(*behavior) : SplitBehavior::isolated, false);
}

std::unique_ptr<PreTokenizer> make_whitespace_split(const JsonView&) {
  return std::make_unique<Split>(character_finder(is_blank), SplitBehavior::removed, false);
}

std::unique_ptr<PreTokenizer> make_whitespace(const JsonView&) {
  // The library's pattern \w+|[^\w\s]+ with the \w of its regex crate, which differs from Oniguruma's.
  const Finder words = [](std::string_view text, std::vector<Span>& matches) {
    enum Kind { blank, word, other };
    Kind previous = blank;
    for (size_t i = 0; i < text.size();) {
      const char32_t character = first_character(text.substr(i));
      const size_t end = i + character_size(text[i]);
      const Kind kind = is_word(character) ? word : is_blank(character) ? blank : other;
      if (kind != blank && kind == previous) {
        matches.back().end = end;
      } else if (kind != blank) {
        matches.push_back({i, end});
      }
      previous = kind;
      i = end;
    }
  };
  return std::make_unique<Split>(words, SplitBehavior::removed, true);
}

// One after another.
class Both : public PreTokenizer {
 public:
  Both(Split first, Split second) : first_(std::move(first)), second_(std::move(second)) {}
  void apply(Pieces& pieces) const override {
    first_.apply(pieces);
    second_.apply(pieces);
  }

 private:
  const Split first_, second_;
};

std::unique_ptr<PreTokenizer> make_bert(const JsonView&) {
  return std::make_unique<Both>(Split(character_finder(is_blank), SplitBehavior::removed, false),
                                Split(character_finder(is_punctuation), SplitBehavior::isolated, false));
}

std::unique_ptr<PreTokenizer> make_char_delimiter(const JsonView& component) {
  return std::make_unique<Split>(literal_finder(one_character(component.at("delimiter"))), SplitBehavior::removed,
                                 false);
}

std::unique_ptr<PreTokenizer> make_fixed_length(const JsonView& component) {
  const int64_t length = component.integer_or("length", 5);
  if (length < 1) component.at("length").fail(fmt::format("{} is not a length", length));
  const Finder runs = [length](std::string_view text, std::vector<Span>& matches) {
    int64_t characters = 0;
    for (size_t i = 0; i < text.size(); ++characters) {
      if (characters % length == 0) matches.push_back({i, i});
      i += character_size(text[i]);
      matches.back().end = i;
    }
  };
  return std::make_unique<Split>(runs, SplitBehavior::isolated, false);
}

std::unique_ptr<PreTokenizer> make_by_script(const JsonView&) {
  return std::make_unique<ByScript>();
}

struct Row {
  std::string_view type;
  std::unique_ptr<PreTokenizer> (*make)(const JsonView& component);
};

constexpr Row rows[] = {
    {"ByteLevel", make_byte_level},
    {"Split", make_split},
    {"Digits", make_digits},
    {"Punctuation", make_punctuation},
    {"Whitespace", make_whitespace},
    {"WhitespaceSplit", make_whitespace_split},
    {"Metaspace", make_metaspace},
    {"BertPreTokenizer", make_bert},
    {"CharDelimiterSplit", make_char_delimiter},
    {"FixedLength", make_fixed_length},
    {"UnicodeScripts", make_by_script},
};

}  // namespace

void PreTokenizers::append(const JsonView& component) {
  append_steps(component, {"pre-tokenizer", "pretokenizers"}, rows, steps_);
}

void PreTokenizers::apply(Pieces& pieces) const {
  // ByteLevel at most doubles a text, Metaspace trebles it.
  const size_t longest = longest_rewriting(pieces.text.size());
  for (const auto& step : steps_) {
    step->apply(pieces);
    if (pieces.text.size() > longest) bad_input("{}: makes a text more than {} times longer", place_, most_growth);
  }
}

}  // namespace sleb
