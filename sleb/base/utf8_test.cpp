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

}  // namespace
}  // namespace sleb
