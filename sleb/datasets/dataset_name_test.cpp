#include "sleb/datasets/dataset_name.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

using Texts = std::vector<std::string>;

DatasetName name_of(std::string_view text, TextPurpose purpose = TextPurpose::calibrate) {
  return parse_dataset_name(text, purpose).value();
}

TEST(DatasetName, OfTheReferenceMeansWhatItTakes) {
  const DatasetName wikitext2 = name_of("wikitext2");
  EXPECT_EQ(wikitext2.repository.name, "Salesforce/wikitext");
  EXPECT_EQ(wikitext2.repository.kind, RepositoryKind::dataset);
  EXPECT_EQ(wikitext2.config, "wikitext-2-raw-v1");
  EXPECT_EQ(wikitext2.splits, Texts{"train"});
  EXPECT_EQ(wikitext2.rules, RowRules::wikitext2);
  EXPECT_EQ(name_of("wikitext2", TextPurpose::evaluate).splits, Texts{"test"});
  EXPECT_EQ(name_of("c4").files, Texts{"en/c4-train.00000-of-01024.json.gz"});
  EXPECT_EQ(name_of("c4", TextPurpose::evaluate).files, Texts{"en/c4-validation.00000-of-00008.json.gz"});
  EXPECT_EQ(name_of("c4").rules, RowRules::c4);
}

TEST(DatasetName, SaysConfigurationSplitAndField) {
  const DatasetName plain = name_of("org/name");
  EXPECT_EQ(plain.repository.revision, "main");
  EXPECT_EQ(plain.config + plain.field, "");
  EXPECT_EQ(plain.splits, Texts{"train"});
  EXPECT_FALSE(plain.rules);
  EXPECT_EQ(name_of("org/name", TextPurpose::evaluate).splits, (Texts{"test", "validation"}));
  const DatasetName whole = name_of("org/name@v1:a b/c@2.0:dev:body:x");
  EXPECT_EQ(whole.repository.revision, "v1");
  EXPECT_EQ(whole.config, "a b/c@2.0");
  EXPECT_EQ(whole.splits, Texts{"dev"});
  EXPECT_EQ(whole.field, "body:x");
  EXPECT_EQ(name_of("org/name::test").splits, Texts{"test"});
  EXPECT_EQ(name_of("org/name:::body").field, "body");
  EXPECT_EQ(name_of("org/name:::body").splits, Texts{"train"});
  EXPECT_EQ(name_of("Salesforce/wikitext:wikitext-103-raw-v1").rules, RowRules::wikitext2);
  EXPECT_EQ(name_of("allenai/c4:de").rules, RowRules::c4);
}

TEST(DatasetName, LeavesPathsAlone) {
  for (const char* path : {"", "name", "wiki", "wikitext2:train", "./a/b", "/a/b", "a/b/c", "~/b", "a/b.txt",
                           "a/b.jsonl.gz", "a/b@", "a/b@../c", "../b", "a/..", "a b/c", "a/b.parquet", "a/b\xff:c"}) {
    EXPECT_FALSE(parse_dataset_name(path, TextPurpose::calibrate)) << path;
  }
}

}  // namespace
}  // namespace sleb
