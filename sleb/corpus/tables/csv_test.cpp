#include "sleb/corpus/tables/csv.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sleb {
namespace {

using Records = std::vector<std::vector<std::string>>;

Records records(std::string_view text, char separator = ',') {
  CsvReader reader(text, separator);
  Records result;
  while (const auto* record = reader.next()) result.push_back(*record);
  return result;
}

TEST(CsvReader, FieldsAndLines) {
  EXPECT_EQ(records("a,b\nc,\n,d"), (Records{{"a", "b"}, {"c", ""}, {"", "d"}}));
  EXPECT_EQ(records("a\r\nb\rc\n"), (Records{{"a"}, {"b"}, {"c"}}));
  EXPECT_EQ(records("\n \t\na\n\n\nb\n "), (Records{{"a"}, {"b"}})) << "lines of blanks";
  EXPECT_EQ(records("  a, b \n"), (Records{{"  a", " b "}}));
  EXPECT_EQ(records("\ta\t\n\t\n", '\t'), (Records{{"", "a", ""}, {"", ""}})) << "a tab that separates is no blank";
  EXPECT_EQ(records("\xef\xbb\xbf\"a\""), (Records{{"a"}}));
  EXPECT_EQ(records(""), Records{});
}

TEST(CsvReader, QuotedFields) {
  EXPECT_EQ(records("\"a,\n\r\n\"\"b\"\"\",c"), (Records{{"a,\n\r\n\"b\"", "c"}}));
  EXPECT_EQ(records("\"a\"b\"c\",\"\"\n"), (Records{{"ab\"c\"", ""}}))
      << "what follows the closing quote belongs to it";
  EXPECT_EQ(records("a\"b\"\n"), (Records{{"a\"b\""}})) << "a quote within a field is a character";
  EXPECT_EQ(records("\"\"\n"), (Records{{""}}));
}

TEST(CsvReader, KnowsWhereARecordStands) {
  CsvReader reader("a\n\n\"b\nc\r\n\"\n\"d", ',');
  reader.next();
  EXPECT_EQ(reader.line(), 1);
  reader.next();
  EXPECT_EQ(reader.line(), 3);
  EXPECT_EQ(reader.begin(), 3);
  EXPECT_FALSE(reader.cut_off());
  reader.next();
  EXPECT_EQ(reader.line(), 6);
  EXPECT_TRUE(reader.cut_off());
  EXPECT_EQ(reader.next(), nullptr);
}

TEST(TypedColumn, IsPandas) {
  const auto column = [](std::vector<std::optional<std::string>> values) { return Json(typed_column(values)).dump(); };
  EXPECT_EQ(column({"1", " -2 ", "+3", "007"}), "[1,-2,3,7]");
  EXPECT_EQ(column({"1", "", "3"}), "[1.0,null,3.0]");
  EXPECT_EQ(column({"1", {}}), "[1.0,null]");
  EXPECT_EQ(column({"18446744073709551615", "1"}), "[18446744073709551615,1]");
  EXPECT_EQ(column({"9223372036854775808", "-1"}), R"(["9223372036854775808","-1"])");
  EXPECT_EQ(column({"18446744073709551616"}), R"(["18446744073709551616"])");
  EXPECT_EQ(column({"9223372036854775808", ""}), R"(["9223372036854775808",null])");
  EXPECT_EQ(column({"1e5", ".5", "5.", "-1E-2", "1e-999"}), "[100000.0,0.5,5.0,-0.01,0.0]");
  EXPECT_EQ(column({"True", "FALSE", "true"}), "[true,false,true]");
  EXPECT_EQ(column({"True", "NA"}), "[true,null]");
  EXPECT_EQ(column({"True", "1"}), R"(["True","1"])");
  EXPECT_EQ(column({"None", "x", "null"}), R"([null,"x",null])");
  EXPECT_EQ(column({"1.0", "x"}), R"(["1.0","x"])");
  EXPECT_EQ(column({"0x10"}), R"(["0x10"])");
  EXPECT_EQ(column({"1e", "--1", "1_0", "1 2", "+-1", "-", "."}), R"(["1e","--1","1_0","1 2","+-1","-","."])");
  EXPECT_EQ(column({"", "NaN"}), "[null,null]");
  EXPECT_EQ(column({}), "[]");
  const auto infinite = typed_column(std::vector<std::optional<std::string>>{"inf", "-Infinity", "1e999"});
  EXPECT_EQ(infinite, (std::vector<Json>{INFINITY, -INFINITY, INFINITY}));
}

}  // namespace
}  // namespace sleb
