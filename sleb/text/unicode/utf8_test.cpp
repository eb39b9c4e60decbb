#include "sleb/text/unicode/utf8.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

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
