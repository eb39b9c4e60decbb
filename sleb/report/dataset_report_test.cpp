#include "sleb/report/dataset_report.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(DatasetReport, SaysWhereATextCameFrom) {
  const std::optional<DatasetOrigin> origin =
      DatasetOrigin{"org/name", "main", "abc", "en", "train", "text", {"en/a.json.gz"}};
  OrderedJson json = {{"dataset", "c4"}};
  add_source(json, origin);
  EXPECT_EQ(json.dump(), R"({"dataset":"c4","source":{"repository":"org/name","revision":"main","commit":"abc",)"
                         R"("config":"en","split":"train","field":"text","files":["en/a.json.gz"]}})");
  EXPECT_EQ(in_words("c4", origin), "c4 (org/name, configuration en, split train, commit abc)");
}

TEST(DatasetReport, SaysNothingOfAFile) {
  OrderedJson json = {{"dataset", "a.txt"}};
  add_source(json, {});
  EXPECT_EQ(json.dump(), R"({"dataset":"a.txt"})");
  EXPECT_EQ(in_words("a.txt", {}), "a.txt");
}

}  // namespace
}  // namespace sleb
