#include "sleb/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include <fstream>
#include <thread>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/error_message.h"
#include "sleb/base/written_into.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("sleb-file-test-{}", ::getpid());
};

TEST_F(FileTest, MapsWhatWasWritten) {
  write_file_atomically(folder_ / "a", "hello");
  EXPECT_EQ(MappedFile(folder_ / "a").text(), "hello");
  write_file_atomically(folder_ / "a", "");
  EXPECT_EQ(MappedFile(folder_ / "a").bytes().size(), 0U);
}

TEST_F(FileTest, RefusesMissingFilesFoldersAndTooLarge) {
  EXPECT_THROW(MappedFile(folder_ / "none"), Error);
  EXPECT_THROW(MappedFile{folder_}, Error);
  write_file_atomically(folder_ / "a", "hello");
  EXPECT_THROW(read_file(folder_ / "a", 4), Error);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(MappedFile(folder_ / "pipe"), Error);  // and does not wait for a writer
}

TEST_F(FileTest, NothingIsLostOfWhatManyAdd) {
  constexpr int writers = 8;
  constexpr int records = 50;
  const std::string record(3000, 'x');
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < writers; ++i) {
      threads.emplace_back([&, i] {
        for (int j = 0; j < records; ++j) append_to_file(folder_ / "log", fmt::format("{}{}\n", i, record));
      });
    }
  }
  std::ifstream log(folder_ / "log");
  std::vector<int> of(writers);
  for (std::string line; std::getline(log, line);) {
    EXPECT_EQ(line.substr(1), record);
    ++of.at(static_cast<size_t>(line[0] - '0'));
  }
  EXPECT_EQ(of, std::vector<int>(writers, records));
}

TEST_F(FileTest, AddsToWhatALinkLeadsTo) {
  fs::create_symlink("kept", folder_ / "link");
  append_to_file(folder_ / "link", "one\n");
  append_to_file(folder_ / "link", "two\n");
  EXPECT_EQ(MappedFile(folder_ / "kept").text(), "one\ntwo\n");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_THROW(append_to_file("/dev/full", "one\n"), Error);
  write_file_atomically(folder_ / "a", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_NE(error_message([&] { check_appendable(folder_ / "a"); }).find("a Git LFS pointer"), std::string::npos);
  EXPECT_THROW(check_appendable(folder_), Error);
  EXPECT_NO_THROW(check_appendable(folder_ / "new"));
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(FileTest, WhatAFullDiskTookAPartOfIsTakenBack) {
  const rlimit before = [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    return limit;
  }();
  append_to_file(folder_ / "log", "one\n");
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit ten{10, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &ten), 0);
  EXPECT_THROW(append_to_file(folder_ / "log", "two and more\n"), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(MappedFile(folder_ / "log").text(), "one\n");
}

TEST_F(FileTest, StagedFolderAppearsOnlyOnCommit) {
  {
    StagedFolder staged(folder_ / "out", false);
    OutputFile file(staged.path() / "x");
    file.write(std::string_view("1"));
    file.close();
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  StagedFolder staged(folder_ / "out/", false);
  write_file_atomically(staged.path() / "x", "1");
  staged.commit();
  EXPECT_EQ(read_file(folder_ / "out" / "x"), "1");
}

TEST_F(FileTest, StagedFolderReplacesOnlyWhenAsked) {
  fs::create_directory(folder_ / "out");
  write_file_atomically(folder_ / "out" / "old", "1");
  EXPECT_THROW(StagedFolder(folder_ / "out", false), Error);
  StagedFolder staged(folder_ / "out", true);
  EXPECT_TRUE(fs::exists(folder_ / "out" / "old"));
  staged.commit();
  EXPECT_TRUE(fs::is_empty(folder_ / "out"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(FileTest, WhatReplacesHasThePermissionsOfWhatItReplaces) {
  for (const unsigned mode : {0600U, 0640U, 0444U, 0755U}) {
    write_file_atomically(folder_ / "a", "old");
    fs::permissions(folder_ / "a", fs::perms(mode));
    write_file_atomically(folder_ / "a", "new");
    EXPECT_EQ(fs::status(folder_ / "a").permissions(), fs::perms(mode));
  }
  write_file_atomically(folder_ / "program", "old");
  fs::permissions(folder_ / "program", fs::perms(04755U));
  write_file_atomically(folder_ / "program", "new");
  EXPECT_EQ(fs::status(folder_ / "program").permissions(), fs::perms(0755U));

  fs::create_directory(folder_ / "out");
  fs::permissions(folder_ / "out", fs::perms(0700U));
  StagedFolder staged(folder_ / "out", true);
  EXPECT_EQ(fs::status(staged.path()).permissions(), fs::perms(0700U));
  staged.commit();
  EXPECT_EQ(fs::status(folder_ / "out").permissions(), fs::perms(0700U));
}

TEST_F(FileTest, RemovesOnlyTheTemporariesThatNobodyWrites) {
  fs::create_directories(folder_ / ".out.tmp-1" / "inner");
  write_file_atomically(folder_ / ".out.tmp-2", "left");
  write_file_atomically(folder_ / ".other.tmp-2", "another target's");
  OutputFile held(folder_ / ".out.tmp-3");
  StagedFolder staged(folder_ / "out", false);
  remove_left_temporaries(folder_ / "out");
  EXPECT_TRUE(fs::exists(staged.path()));
  EXPECT_TRUE(fs::exists(folder_ / ".out.tmp-3"));
  EXPECT_TRUE(fs::exists(folder_ / ".other.tmp-2"));
  EXPECT_FALSE(fs::exists(folder_ / ".out.tmp-1"));
  EXPECT_FALSE(fs::exists(folder_ / ".out.tmp-2"));
}

TEST_F(FileTest, FullDiskIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  OutputFile file("/dev/full");
  EXPECT_THROW(file.write(std::string_view("x")), Error);
}

}  // namespace
}  // namespace sleb
