#include "sleb/datasets/dataset_card.h"

#include <gtest/gtest.h>

#include "tests/untrusted_file.h"

namespace sleb {
namespace {

std::vector<DatasetConfig> configs(const std::string& yaml, const std::string& own = "") {
  return configs_of("---\n" + yaml + "\n---\n# A data set\n", own, "org/name: ");
}

using Texts = std::vector<std::string>;

TEST(DatasetCard, NamesConfigurations) {
  const auto found = configs(
      "license: mit\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/train-*\n"
      "  - split: test\n    path: [en/a, en/b]\n- config_name: de\n  default: true\n  data_dir: de\n  sep: ';'\n"
      "- config_name: all\n  data_files: all.csv\n- config_name: some\n  data_files: [x.csv, y.csv]");
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].name, "en");
  ASSERT_EQ(found[0].patterns->size(), 2U);
  EXPECT_EQ((*found[0].patterns)[0].patterns, Texts{"en/train-*"});
  EXPECT_EQ((*found[0].patterns)[1].split, "test");
  EXPECT_EQ((*found[0].patterns)[1].patterns, (Texts{"en/a", "en/b"}));
  EXPECT_FALSE(found[0].is_default);
  EXPECT_TRUE(found[1].is_default);
  EXPECT_EQ(found[1].data_dir, "de");
  EXPECT_FALSE(found[1].patterns);
  EXPECT_EQ(found[1].options, Texts{"sep"});
  EXPECT_EQ((*found[2].patterns)[0].split, "train");
  EXPECT_EQ((*found[3].patterns)[0].patterns, (Texts{"x.csv", "y.csv"}));
}

TEST(DatasetCard, OptionsAreAllButThoseThatLeaveRowsAsTheyAre) {
  const auto found = configs(
      "configs:\n- config_name: a\n  filters: [[x, '>', 1]]\n  columns: [x]\n  skip_blank_lines: false\n"
      "- config_name: b\n  description: d\n  version: 1.0.0\n  default: true\n  features: []\n  drop_labels: true\n");
  EXPECT_EQ(found[0].options, (Texts{"columns", "filters", "skip_blank_lines"}));
  EXPECT_EQ(found[1].options, Texts{});
}

TEST(DatasetCard, ConfigurationsAndPatternsHaveABound) {
  std::string many = "configs:\n";
  for (int i = 0; i <= 10'000; ++i) many += "- config_name: a\n";
  EXPECT_EQ(error_message([&] { configs(many); }), "org/name: README.md.configs: more than 10000 configurations");
  std::string patterns = "configs:\n- config_name: a\n  data_files:\n";
  for (int i = 0; i <= 10'000; ++i) patterns += "  - x\n";
  EXPECT_TRUE(error_message([&] { configs(patterns); }).ends_with("data_files: more than 10000 patterns of files"));
}

TEST(DatasetCard, MayNameOneThatYamlTakesForABoolean) {
  const auto found = configs("configs:\n- config_name: no\n- config_name: 'no'\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "false");
  EXPECT_EQ(found[1].name, "no");
}

TEST(DatasetCard, MayNameNone) {
  EXPECT_TRUE(configs_of("", "", "").empty());
  EXPECT_TRUE(configs_of("# no front matter\n---\nconfigs: 1\n---\n", "", "").empty());
  EXPECT_TRUE(configs_of("---\nconfigs: 1\n", "", "").empty()) << "no end";
  EXPECT_TRUE(configs("license: mit").empty());
  EXPECT_TRUE(configs("configs:").empty());
}

TEST(DatasetCard, StandsBetweenLinesOfDashes) {
  EXPECT_EQ(configs_of("\n---\r\nconfigs:\r\n- config_name: a---b\r\n---  \r\ntext", "", "")[0].name, "a---b");
  EXPECT_EQ(configs("x: y", "configs:\n- config_name: z\n")[0].name, "z") << ".huggingface.yaml goes first";
}

TEST(DatasetCard, OfAnotherFormIsRefused) {
  const auto message = [](const std::string& yaml) { return error_message([&] { configs(yaml); }); };
  EXPECT_EQ(message("- a"), "org/name: README.md: its front matter is no mapping");
  EXPECT_EQ(message("configs: {a: b}"), "org/name: README.md.configs: expected an array");
  EXPECT_NE(message("configs:\n- data_files: x"), "") << "no name";
  EXPECT_NE(message("configs:\n- config_name: [a]"), "");
  const auto files = [&](const std::string& text) {
    return message("configs:\n- config_name: a\n  data_files:\n" + text);
  };
  EXPECT_NE(files("  - {split: train}"), "");
  EXPECT_NE(files("  - {split: ../x, path: y}").find("can't be a split's name"), std::string::npos);
  EXPECT_NE(files("  - {split: a, path: y}\n  - {split: a, path: z}").find("stands twice"), std::string::npos);
  EXPECT_NE(files("  - {split: a, path: y}\n  - z").find("some of the files have no split"), std::string::npos);
  EXPECT_NE(files("  - {split: a, path: {b: c}}"), "");
}

TEST(DatasetCard, SplitNamesAreWords) {
  for (const char* name : {"train", "test_2", "a.b", "\xc3\xa4"}) EXPECT_TRUE(is_split_name(name)) << name;
  for (const char* name : {"", ".", "a.", ".a", "a..b", "a-b", "a/b", "a b"}) EXPECT_FALSE(is_split_name(name)) << name;
}

}  // namespace
}  // namespace sleb
