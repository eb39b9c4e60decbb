#include "sleb/datasets/data_files.h"

#include <gtest/gtest.h>

#include "tests/untrusted_file.h"

namespace sleb {
namespace {

using Names = std::vector<std::string>;

// "train: a b; test: c".
std::string splits(const Names& names, const DatasetConfig& config = {}) {
  std::string text;
  for (const SplitFiles& split : splits_of(config, names, "org/name")) {
    text += (text.empty() ? "" : "; ") + split.split + ":";
    for (const std::string& file : split.files) text += " " + file;
  }
  return text;
}

// tests/hub/test_datasets.py asks datasets the same of these and other trees.
TEST(DataFiles, AreToldByTheirNames) {
  EXPECT_EQ(splits({"README.md", "data.csv"}), "train: data.csv");
  EXPECT_EQ(splits({"train.csv", "test.csv", "notes/x.py"}), "train: train.csv; test: test.csv");
  EXPECT_EQ(splits({"data/train/1.json", "data/train/0.json", "data/dev/0.json"}),
            "train: data/train/0.json data/train/1.json; validation: data/dev/0.json");
  EXPECT_EQ(splits({"data/test-00000-of-00001.parquet", "data/train-00000-of-00002-ab.parquet",
                    "data/train-00001-of-00002-ab.parquet", "data/odd-00000-of-00001.parquet", "train.csv"}),
            "train: data/train-00000-of-00002-ab.parquet data/train-00001-of-00002-ab.parquet; test: "
            "data/test-00000-of-00001.parquet; odd: data/odd-00000-of-00001.parquet");
  EXPECT_EQ(splits({"my_train_set.jsonl", "valid.jsonl", "contest.jsonl"}),
            "train: my_train_set.jsonl; validation: valid.jsonl");
  EXPECT_EQ(splits({".hidden.csv", "__pycache__/a.csv", ".git/a.csv", "a/.b/c.csv", "README.md", "LICENSE"}), "");
}

TEST(DataFiles, OfOneFormatAreKept) {
  EXPECT_EQ(splits({"a.csv", "b.csv", "c.json"}), "train: a.csv b.csv");
  EXPECT_EQ(splits({"a.csv", "c.parquet"}), "train: c.parquet");
  EXPECT_EQ(splits({"a.json.gz", "b.txt"}), "train: a.json.gz");
  const std::string message = error_message([] { splits({"a.png", "b.png", "c.csv"}); });
  EXPECT_EQ(
      message,
      "org/name: the split train is made of .png files, and rows are read from Parquet, Arrow, JSON, CSV and text");
}

TEST(DataFiles, AreThoseOfTheCardsPatterns) {
  const Names names = {"en/a.csv", "en/b.csv", "en/.c.csv", "de/a.csv", "config.json"};
  DatasetConfig config{.data_dir = "", .patterns = {{{"train", {"en/b.csv", "en/a*"}}, {"x", {"nothing/*"}}}}};
  EXPECT_EQ(splits(names, config), "train: en/b.csv en/a.csv") << "in the patterns' order";
  config.patterns = {{{"train", {"en/.*"}}}};
  EXPECT_EQ(splits(names, config), "train: en/.c.csv");
  config.patterns = {{{"train", {"*.json"}}}};
  EXPECT_EQ(splits(names, config), "") << "a file that is never data unless it is named";
  config.patterns = {{{"train", {"config.json"}}}};
  EXPECT_EQ(splits(names, config), "train: config.json");
  EXPECT_EQ(splits(names, {.data_dir = "de"}), "train: de/a.csv");
  for (const char* out : {"../x.csv", "/etc/passwd", "a/../../b", "https://host/x.csv", "zip://a.csv::b.zip"}) {
    config.patterns = {{{"train", {out}}}};
    const std::string message = error_message([&] { splits(names, config); });
    EXPECT_NE(message.find("which is not in the repository"), std::string::npos) << message;
  }
  config.patterns = {{{"train", {"en/z.csv"}}}};
  EXPECT_EQ(error_message([&] { splits(names, config); }), "org/name: holds no en/z.csv, which its card names");
}

TEST(DataFiles, AreWholeWithAllTheirNumbers) {
  EXPECT_TRUE(is_whole_by_numbers({"a-00000-of-00002.x", "a-00001-of-00002.x", "b-00000-of-00001.x"}));
  EXPECT_FALSE(is_whole_by_numbers({"a-00000-of-00002.x"}));
  EXPECT_FALSE(is_whole_by_numbers({"a.x"}));
  EXPECT_TRUE(is_whole_by_numbers({}));
}

TEST(DataFiles, OfTheConvertedBranchStandInFoldersOfConfigurationAndSplit) {
  const auto configs = converted_configs({"b/train/0001.parquet", "b/train/0000.parquet", "a/test/0000.parquet", "x.md",
                                          "a/b/c/0000.parquet", "a/train/index.duckdb"});
  ASSERT_EQ(configs.size(), 2U);
  EXPECT_EQ(configs[0].name, "a");
  EXPECT_EQ(configs[1].splits[0].split, "train");
  EXPECT_EQ(configs[1].splits[0].files, (Names{"b/train/0000.parquet", "b/train/0001.parquet"}));
}

}  // namespace
}  // namespace sleb
