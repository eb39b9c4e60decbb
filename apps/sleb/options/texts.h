// Options that take several texts, and how texts that are mixed share a number of tokens.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sleb::app {

// Names and files separated by commas, given as often as one likes. A path that exists is one text, commas or not.
CLI::Option* add_texts(CLI::App& command, const std::string& option, std::vector<std::string>& texts,
                       const std::string& description);
// Throws Error(bad_input) for a text without a name and for one that stands twice.
void check_names(std::string_view option, const std::vector<std::string>& texts);

// One of several texts that are mixed.
struct TextShare {
  std::string text;
  std::optional<int64_t> segments = {};  // that it has by a number of its own
  int64_t parts = 1;                     // of what is left for those without
};
// "notes.txt:16384": a text and a number of tokens of its own, in whole segments. Of a data set of the hub the number
// stands behind the field (org/name::::16384). A path that exists has none. `self:TOKENS` stays one word, of whose form
// self_text_corpus says what is wrong. Throws Error(bad_input).
TextShare share_of(std::string_view option, const std::string& given, int64_t seqlen);

// The same without the number.
std::string text_of(const std::string& given);

// Segments of all texts together, and the option that says so ("--segments 8").
struct TextTotal {
  std::string given;
  int64_t segments;
};
// Segments of each text: those without a number share what is left by their parts, at least one each, the first ones
// one more where it can't be even; without a total each has `usual_tokens` in whole segments. Throws Error(bad_input)
// if too few are left, and for a total where every text has a number already.
std::vector<int64_t> shared_segments(const std::vector<TextShare>& shares, const std::optional<TextTotal>& total,
                                     int64_t seqlen);

// Of WikiText-2's rows the default number makes 4 segments of 2,048.
constexpr int64_t usual_tokens = 8192;
constexpr int64_t most_tokens_of_text = int64_t{1} << 24;

}  // namespace sleb::app
