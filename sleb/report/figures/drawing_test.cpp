#include "sleb/report/figures/drawing.h"

#include <gtest/gtest.h>

namespace sleb::page {
namespace {

TEST(Escaped, LeavesNoMarkup) {
  EXPECT_EQ(escaped("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escaped(std::string_view("a\0b\x1b\x7f", 5)), "a\uFFFDb\uFFFD\uFFFD");
  EXPECT_EQ(escaped("\xff"), "\uFFFD");
}

TEST(Shortened, KeepsBothEndsAndWholeCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcdefghij", 6), "a…ghij");
  EXPECT_EQ(shortened("äöüäöüäöüß", 6), "ä…äöüß");
}

TEST(NumberText, HasFourSignificantDigits) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(25.1349), "25.13");
  EXPECT_EQ(number_text(0.01234), "0.0123");
  EXPECT_EQ(number_text(99.9999), "100.0");
  EXPECT_EQ(number_text(18598.98), "18599");
  EXPECT_EQ(number_text(-0.5), "-0.5000");
  EXPECT_EQ(number_text(0.0000123), "1.23e-05");
}

TEST(NumberText, EndsWhereItsErrorDoes) {
  EXPECT_EQ(number_text(25.1349, 0.7123), "25.13 ± 0.71");
  EXPECT_EQ(number_text(2513.49, 31.2), "2513 ± 31");
  EXPECT_EQ(number_text(0.4, 0.0031), "0.4000 ± 0.0031");
  EXPECT_EQ(number_text(1.5, 0.0), "1.500 ± 0");
}

TEST(CountText, HasCommas) {
  EXPECT_EQ(count_text(7), "7");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(100000), "100,000");
}

TEST(Exact, ReadsBackAsTheSame) {
  for (const double value : {0.1, 18598.979272635876, 1e-300, 1.0 / 3}) EXPECT_EQ(std::stod(exact(value)), value);
}

TEST(Drawing, EscapesTextAndLabels) {
  Drawing drawing(10, 20);
  drawing.begin_part("cell", "\"<i>");
  drawing.text(1, 2, "<b>");
  drawing.end_part();
  for (const std::string& svg : {drawing.inlined("<t>"), drawing.file("<t>")}) {
    EXPECT_EQ(svg.find("<b>"), std::string::npos);
    EXPECT_EQ(svg.find("<i>"), std::string::npos);
    EXPECT_EQ(svg.find("<t>"), std::string::npos);
    EXPECT_NE(svg.find("aria-label=\"&quot;&lt;i&gt;\""), std::string::npos);
  }
}

}  // namespace
}  // namespace sleb::page
