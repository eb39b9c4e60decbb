#include "sleb/unicode/regex.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

std::vector<std::string> matches(std::string_view pattern, const std::string& text) {
  std::vector<Span> spans;
  Regex(pattern, "x.json: pattern").find_all(text, spans);
  std::vector<std::string> found;
  for (const Span& span : spans) found.push_back(text.substr(span.begin, span.end - span.begin));
  return found;
}

using Strings = std::vector<std::string>;

TEST(Regex, FindsAllFromLeftToRight) {
  EXPECT_EQ(matches("\\p{L}+|\\p{N}", "été 12"), (Strings{"été", "1", "2"}));
  EXPECT_EQ(matches("\\h+", "fade away"), (Strings{"fade", "a", "a"}));  // Oniguruma's: hexadecimal digits
  EXPECT_EQ(matches("z", "abc"), Strings{});
  EXPECT_EQ(matches("z", ""), Strings{});
}

TEST(Regex, EmptyMatchesDoNotTouchTheMatchBefore) {
  EXPECT_EQ(matches("x*", "axxb"), (Strings{"", "xx", ""}));
  EXPECT_EQ(matches("(?=é)", "aéé"), (Strings{"", ""}));
}

// Whatever Oniguruma's tables: a letter of Unicode 15.1, a symbol of 15.0, a digit of 16.0.
TEST(Regex, KnowsTheCharactersOfUnicode16) {
  EXPECT_EQ(matches("\\p{L}", "a\U0002EBF0\U0001FAE8\U00010D40"), (Strings{"a", "\U0002EBF0"}));
  EXPECT_EQ(matches("[\\p{So}\\p{Nd}]+", "a\U0001FAE8\U00010D40"), Strings{"\U0001FAE8\U00010D40"});
}

TEST(Regex, PlacesOfGroups) {
  const Regex regex("\\((a)?(b*)\\)", "x.json: p", RegexSyntax::python);
  ASSERT_EQ(regex.groups(), 2U);
  std::vector<Span> places;
  regex.find_all_with_groups("(abb)é(b)", places);
  EXPECT_EQ(places, (std::vector<Span>{{0, 5}, {1, 2}, {2, 4}, {7, 10}, {7, 7}, {8, 9}}));
}

TEST(Regex, PythonReadsALineEndAsTheTextsEnd) {
  const auto count = [](RegexSyntax syntax) {
    std::vector<Span> spans;
    Regex("a$", "x.json: p", syntax).find_all("a\na\nb", spans);
    return spans.size();
  };
  EXPECT_EQ(count(RegexSyntax::python), 0U);
  EXPECT_EQ(count(RegexSyntax::oniguruma), 2U);
}

TEST(Regex, MalformedPatternsAreRefusedWithTheirPlace) {
  for (const char* pattern : {"(", "[", "\\p{NoSuchThing}", "(?<n>a)\\k<m>", "*"}) {
    EXPECT_TRUE(error_message([&] { Regex(pattern, "x.json: p"); }).starts_with("x.json: p: not a valid pattern: "))
        << pattern;
  }
  EXPECT_EQ(error_message([] { Regex(std::string(70000, 'a'), "x.json: p"); }),
            "x.json: p: a pattern of 70000 bytes is too long");
}

TEST(Regex, RunawayBacktrackingIsStopped) {
  const Regex regex("(x+x+)+y", "x.json: p");
  std::vector<Span> spans;
  EXPECT_EQ(error_message([&] { regex.find_all(std::string(60, 'x'), spans); }),
            "x.json: p: searching a text of 60 bytes: retry-limit-in-match over");
}

TEST(Regex, LongMatchesNeedNoRecursion) {
  std::vector<Span> spans;
  Regex("\\p{L}+(?!\\S)", "p").find_all(std::string(1000000, 'a'), spans);
  EXPECT_EQ(spans, (std::vector<Span>{{0, 1000000}}));
}

}  // namespace
}  // namespace sleb
