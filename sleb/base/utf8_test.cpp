#include "sleb/base/utf8.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

TEST(Utf8Character, KnowsEveryLengthAndRefusesWhatIsNone) {
  for (const std::string_view good : {"a", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(utf8_character(good), good.size());
    EXPECT_EQ(utf8_character(std::string(good) + "\x80"), good.size());
    for (size_t cut = 1; cut < good.size(); ++cut) EXPECT_EQ(utf8_character(good.substr(0, cut)), 0U);
  }
  for (const std::string_view bad : {"\x80", "\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                                     "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x28\xa1"}) {
    EXPECT_EQ(utf8_character(bad), 0U);
  }
}

TEST(Printable, EscapesWhatATerminalWouldObeyAndKeepsTheRest) {
  EXPECT_EQ(printable("h\u00e9llo \U0001F600 '\\'"), "h\u00e9llo \U0001F600 '\\'");
  EXPECT_EQ(printable("a\nb\r\tc\x7f"), "a\\x0ab\\x0d\\x09c\\x7f");
  EXPECT_EQ(printable("\x1b[2J \u009b2J"), "\\x1b[2J \\xc2\\x9b2J");
  EXPECT_EQ(printable("x\xff\xe2\x82y"), "x\\xff\\xe2\\x82y");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Printable, KeepsTheEndsOfAVeryLongText) {
  const std::string text = "begin" + std::string(1 << 20, 'x') + "end";
  const std::string shown = printable(text);
  EXPECT_LT(shown.size(), 1100U);
  EXPECT_TRUE(shown.starts_with("beginxxx") && shown.ends_with("xxxend")) << shown;
  EXPECT_EQ(printable(std::string(1000, 'x')), std::string(1000, 'x'));
}

TEST(Error, IsAlwaysOnePrintableLine) {
  EXPECT_STREQ(Error(ErrorKind::bad_input, "x.json: unknown \"\x1b[31m\n\"").what(),
               "x.json: unknown \"\\x1b[31m\\x0a\"");
}

TEST(Utf8, EveryCharacterGoesThereAndBack) {
  for (char32_t character = 0; character < 0x110000; ++character) {
    if (character == 0xD800) character = 0xE000;  // surrogates are no characters
    std::string text = "a";
    append_character(text, character);
    ASSERT_TRUE(is_valid_utf8(text)) << static_cast<uint32_t>(character);
    ASSERT_EQ(last_character(text), character);
    ASSERT_EQ(first_character(std::string_view(text).substr(1)), character);
    ASSERT_EQ(character_size(text[1]), text.size() - 1);
    ASSERT_EQ(replace_invalid_utf8(text), text);
  }
}

TEST(Utf8, IllFormedPartsAreReplacedAsPythonDoes) {
  const std::string r = "\xEF\xBF\xBD";
  const std::pair<std::string, std::string> cases[] = {
      {"a\xFF"
       "b",
       "a" + r + "b"},
      {"\x80\x80", r + r},
      {"\xC3", r},      // cut short
      {"\xE2\x82", r},  // cut short: one replacement
      {"\xE2\x82z", r + "z"},
      {"\xF0\x9F\x98", r},
      {"\xC0\x80", r + r},                  // overlong
      {"\xE0\x80\x80", r + r + r},          // overlong
      {"\xED\xA0\x80", r + r + r},          // surrogate
      {"\xF4\x90\x80\x80", r + r + r + r},  // beyond U+10FFFF
      {"\xF8\x88\x80\x80\x80", r + r + r + r + r},
      {"12345678\xC3\xA9\xE2", "12345678\xC3\xA9" + r},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_FALSE(is_valid_utf8(bytes));
    EXPECT_EQ(replace_invalid_utf8(bytes), expected) << testing::PrintToString(bytes);
  }
  EXPECT_EQ(replace_invalid_utf8(""), "");
}

TEST(Utf8, AsciiIsSeenAtAnyLength) {
  for (size_t length = 0; length < 20; ++length) {
    EXPECT_TRUE(is_ascii(std::string(length, 'x')));
    EXPECT_FALSE(is_ascii(std::string(length, 'x') + "\xC3\xA9"));
  }
}

TEST(Utf8, IncompleteCharactersAreThoseThatMoreBytesCanEnd) {
  const std::vector<std::pair<std::string, size_t>> cases = {{"", 0},         {"a", 0},
                                                             {"a\xC3", 1},    {"\xC3\xA9", 0},
                                                             {"\xE5\x8F", 2}, {"\xF0\x9F\x91", 3},
                                                             {"\xE0\x80", 0}, {"\xC0", 0},
                                                             {"\xFF", 0},     {"\xA9\xA9\xA9\xA9", 0},
                                                             {"\xE5\xE5", 1}, {"\xED\xA0", 0},
                                                             {"\xF4\x90", 0}, {"\xF0\x9F\x91\x8D", 0}};
  for (const auto& [bytes, size] : cases) EXPECT_EQ(incomplete_character(bytes), size) << testing::PrintToString(bytes);
}

}  // namespace
}  // namespace sleb
