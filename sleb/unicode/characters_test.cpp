#include "sleb/unicode/characters.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(Characters, Classes) {
  for (const char32_t blank : std::u32string_view(U"\t\n\v\f\r \u0085\u00A0\u1680\u2003\u2028\u202F\u3000")) {
    EXPECT_TRUE(is_blank(blank)) << static_cast<uint32_t>(blank);
  }
  for (const char32_t other : {U'\u200B', U'\u180E', U'\uFEFF', U'\x1F', U'a'}) EXPECT_FALSE(is_blank(other));
  for (const char32_t number : {U'0', U'\u00BD', U'\u0663', U'\u2167', U'\u2460'}) EXPECT_TRUE(is_numeric(number));
  EXPECT_FALSE(is_numeric(U'\u4E00'));
  for (const char32_t mark : {U'!', U'$', U'~', U'^', U'\u00A7', U'\u3002'}) EXPECT_TRUE(is_punctuation(mark));
  for (const char32_t other : {U'\u20AC', U'\u00D7', U' ', U'a'}) EXPECT_FALSE(is_punctuation(other));
  for (const char32_t word : {U'_', U'a', U'7', U'\u0301', U'\u2167', U'\u200D', U'\u24B6'}) EXPECT_TRUE(is_word(word));
  for (const char32_t other : {U'\u00BD', U'-', U' ', U'\u2460'}) EXPECT_FALSE(is_word(other));
}

// The library's tables are of different ages (versions.h): as found in tokenizers 0.23.3, character by character.
TEST(Characters, ComeFromTheVersionsOfUnicodeThatTheLibraryKnows) {
  EXPECT_TRUE(is_numeric(0x11DE0));      // Unicode 17
  EXPECT_TRUE(is_word(0x2EBF0));         // 15.1
  EXPECT_TRUE(is_word(0x10D40));         // 16
  EXPECT_TRUE(is_punctuation(0x2E42));   // 7
  EXPECT_FALSE(is_punctuation(0x2E43));  // 9
  EXPECT_TRUE(is_mark(0x8D4));           // 9
  EXPECT_FALSE(is_mark(0x1DF6));         // 10
  EXPECT_FALSE(is_nonspacing_mark(0x8D4));
  EXPECT_EQ(lowercase("\uA7DC\U00010D50"), "\u019B\U00010D70");                    // 16
  EXPECT_EQ(normalize("\u32FF\U0001F16C", NormalForm::nfkd), "\u32FF\U0001F16C");  // 12
  // A mark of Unicode 10 stays where it is, and keeps others apart.
  EXPECT_EQ(normalize("a\u0301\u1DF9\u0323", NormalForm::nfc), "\u00E1\u1DF9\u0323");
}

TEST(Characters, LowercaseIsPerCharacter) {
  EXPECT_EQ(lowercase("ÀÉ ΟΔΟΣ ẞ Ⅷ"), "àé οδοσ ß ⅷ");
  EXPECT_EQ(lowercase("\u0130"), "i\u0307");
}

TEST(Characters, CapitalizesAsPython) {
  EXPECT_EQ(capitalize("the Men ÉTÉ"), "The men été");
  EXPECT_EQ(capitalize("été"), "Été");
  EXPECT_EQ(capitalize("ǆ"), "ǅ");
  EXPECT_EQ(capitalize("[header] A"), "[header] a");
  EXPECT_EQ(capitalize(""), "");
}

TEST(Characters, StripsWhatPythonCallsBlank) {
  EXPECT_EQ(without_blanks_behind("a \u3000\x1f\n"), "a");
  EXPECT_EQ(without_blanks_in_front("\u00a0\x1c b "), "b ");
  EXPECT_EQ(without_blanks_behind(" \t"), "");
  EXPECT_EQ(without_blanks_in_front("\u200b"), "\u200b");
}

TEST(Characters, NormalizationForms) {
  // UAX 15, figures 4 to 6, and Hangul.
  const std::string dotted = "\u1E9B\u0323";
  EXPECT_EQ(normalize(dotted, NormalForm::nfc), "\u1E9B\u0323");
  EXPECT_EQ(normalize(dotted, NormalForm::nfd), "\u017F\u0323\u0307");
  EXPECT_EQ(normalize(dotted, NormalForm::nfkc), "\u1E69");
  EXPECT_EQ(normalize(dotted, NormalForm::nfkd), "s\u0323\u0307");
  EXPECT_EQ(normalize("\uAC01", NormalForm::nfd), "\u1100\u1161\u11A8");
  EXPECT_EQ(normalize("\u1100\u1161\u11A8", NormalForm::nfc), "\uAC01");
  EXPECT_EQ(normalize("\uFB01\u2460", NormalForm::nfkc), "fi1");
  EXPECT_EQ(normalize("", NormalForm::nfc), "");
  EXPECT_EQ(normalize("plain", NormalForm::nfkd), "plain");
}

TEST(Characters, LongRunsOfMarksAreNotQuadratic) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "\u0301\u0327";  // classes 230 and 202: every second one has to move
  const std::string ordered = normalize(text, NormalForm::nfd);
  EXPECT_TRUE(ordered.starts_with("\u0327\u0327"));
  EXPECT_TRUE(ordered.ends_with("\u0301\u0301"));
}

}  // namespace
}  // namespace sleb
