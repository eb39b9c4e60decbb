#include "sleb/datasets/glob.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

bool matches(std::string_view pattern, std::string_view path) {
  return Glob(pattern).matches(path);
}

// tests/hub/test_datasets.py asks fsspec the same of many patterns and paths.
TEST(Glob, TakesStarsWithinNamesAndDoubleStarsForFolders) {
  EXPECT_TRUE(matches("data/*.csv", "data/a.csv"));
  EXPECT_FALSE(matches("data/*.csv", "data/b/a.csv"));
  EXPECT_FALSE(matches("*", ""));
  for (const char* path : {"a.csv", "x/a.csv", "x/y/a.csv"}) EXPECT_TRUE(matches("**/a.csv", path)) << path;
  for (const char* path : {"x/a", "x/y/a"}) EXPECT_TRUE(matches("x/**", path)) << path;
  EXPECT_FALSE(matches("x/**", "x"));
  EXPECT_TRUE(matches("**", "a/b/c"));
  EXPECT_TRUE(matches("**/x/**", "x/a"));
  EXPECT_FALSE(matches("**/x/**", "a/x"));
  EXPECT_TRUE(matches("a/**/b/**/c", "a/b/b/c"));
  EXPECT_THROW(Glob("a**b"), Error);
}

TEST(Glob, TakesSets) {
  EXPECT_TRUE(matches("**/train[-._ 0-9]*", "x/train-0.csv"));
  EXPECT_TRUE(matches("**/train[-._ 0-9]*", "train.csv"));
  EXPECT_FALSE(matches("**/train[-._ 0-9]*", "trainer.csv"));
  EXPECT_TRUE(matches("[!a-c]?", "dx"));
  EXPECT_FALSE(matches("[!a-c]?", "bx"));
  EXPECT_TRUE(matches("[]]", "]"));
  EXPECT_TRUE(matches("a[b", "a[b"));
  EXPECT_TRUE(matches("?", "\xc3\xa4")) << "one character";
}

TEST(Glob, IsQuickWhateverThePattern) {
  std::string pattern, path(20'000, 'a');
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_FALSE(matches(pattern + "b", path));
  std::string folders, deep;
  for (int i = 0; i < 60; ++i) folders += "**/a/", deep += "a/";
  EXPECT_FALSE(matches(folders + "b", deep + "c"));
}

}  // namespace
}  // namespace sleb
