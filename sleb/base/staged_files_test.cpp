#include "sleb/base/staged_files.h"

#include <gtest/gtest.h>

#include <set>

#include "sleb/base/error.h"
#include "tests/untrusted_file.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;
using testing_files::TemporaryFolder;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

TEST(StagedFiles, AppearTogether) {
  const TemporaryFolder folder;
  {
    StagedFiles staged(folder.path() / "m");
    for (const char* name : {"m-1", "m-2"}) write_file_atomically(staged.path(name), name);
    EXPECT_EQ(staged.final_path("m-1"), fs::weakly_canonical(folder.path()) / "m-1");
    EXPECT_FALSE(fs::exists(folder.path() / "m-1"));
    staged.commit({"m-1", "m-2"}, false);
  }
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"m-1", "m-2"}));
  EXPECT_EQ(read_file(folder.path() / "m-2"), "m-2");
}

TEST(StagedFiles, NothingIsLeftWithoutCommit) {
  const TemporaryFolder folder;
  {
    const StagedFiles staged(folder.path() / "m");
    write_file_atomically(staged.path("m"), "new");
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(StagedFiles, WhatIsThereStaysUnlessItIsToBeReplaced) {
  const TemporaryFolder folder;
  folder.write("m-1", "old");
  {
    StagedFiles staged(folder.path() / "m");
    for (const char* name : {"m-1", "m-2"}) write_file_atomically(staged.path(name), "new");
    EXPECT_THROW(staged.commit({"m-1", "m-2"}, false), Error);
  }
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"m-1"});
  EXPECT_EQ(read_file(folder.path() / "m-1"), "old");
  fs::permissions(folder.path() / "m-1", fs::perms(0600U));
  StagedFiles staged(folder.path() / "m");
  write_file_atomically(staged.path("m-1"), "new");
  staged.commit({"m-1"}, true);
  EXPECT_EQ(read_file(folder.path() / "m-1"), "new");
  EXPECT_EQ(fs::status(folder.path() / "m-1").permissions(), fs::perms(0600U));
}

}  // namespace
}  // namespace sleb
