#include "sleb/report/table.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

Table sample() {
  Table table({"model", "loss"});
  table.add({"dense", "1.5"});
  table.add({"a, \"b\"", "10.25"});
  return table;
}

TEST(Table, MarkdownAligns) {
  EXPECT_EQ(sample().text(TableFormat::markdown),
            "| model  |  loss |\n"
            "| ------ | ----: |\n"
            "| dense  |   1.5 |\n"
            "| a, \"b\" | 10.25 |\n");
}

TEST(Table, OtherFormats) {
  EXPECT_EQ(sample().text(TableFormat::csv), "model,loss\ndense,1.5\n\"a, \"\"b\"\"\",10.25\n");
  EXPECT_EQ(sample().text(TableFormat::jsonl),
            "{\"model\":\"dense\",\"loss\":\"1.5\"}\n{\"model\":\"a, \\\"b\\\"\",\"loss\":\"10.25\"}\n");
  EXPECT_THROW(table_format("xml"), Error);
}

}  // namespace
}  // namespace sleb
