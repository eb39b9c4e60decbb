#include "sleb/report/table.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

Table sample() {
  Table table({"model", "loss"});
  table.add({"dense", {"1.5", 1.53}});
  table.add({"a, \"b\"", {"-", nullptr}});
  return table;
}

TEST(Table, MarkdownAligns) {
  EXPECT_EQ(sample().text(TableFormat::markdown),
            "| model  | loss |\n"
            "| ------ | ---: |\n"
            "| dense  |  1.5 |\n"
            "| a, \"b\" |    - |\n");
}

TEST(Table, OtherFormatsHaveNumbersInFull) {
  EXPECT_EQ(sample().text(TableFormat::csv), "model,loss\ndense,1.53\n\"a, \"\"b\"\"\",\n");
  EXPECT_EQ(sample().text(TableFormat::jsonl),
            "{\"model\":\"dense\",\"loss\":1.53}\n{\"model\":\"a, \\\"b\\\"\",\"loss\":null}\n");
  EXPECT_THROW(table_format("xml"), Error);
}

}  // namespace
}  // namespace sleb
