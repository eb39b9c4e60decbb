#include "sleb/hub/download_failure.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

std::string line_of(const std::string& errors, int exit_code = 1, bool has_token = false,
                    RepositoryKind kind = RepositoryKind::model) {
  RepositoryName repository;
  repository.name = "org/m";
  repository.revision = "v1";
  repository.kind = kind;
  const Error error = download_error({.repository = repository,
                                      .errors = errors,
                                      .exit_code = exit_code,
                                      .program = "/bin/hf",
                                      .cache = "/cache",
                                      .endpoint = "https://hub",
                                      .has_token = has_token});
  EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  return error.what();
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

TEST(DownloadFailure, SaysWhatToDo) {
  EXPECT_TRUE(has(line_of("Error: Model 'org/m' not found.\nIf the repo is private, ...\n"), "check the name"));
  EXPECT_TRUE(has(line_of("Error: Revision not found in model 'org/m'.\nHint: x\n"), "has no revision v1"));
  const std::string gated = "Error: Access denied. Model 'org/m' requires approval.\nHint: x\n";
  EXPECT_TRUE(has(line_of(gated), "accept its licence on https://hub/org/m, then log in with: hf auth login"));
  EXPECT_TRUE(has(line_of(gated, 1, true), "permission to read gated repositories"));
  EXPECT_TRUE(has(line_of("Traceback\n  x\nOSError: [Errno 28] No space left on device\n"), "no room in /cache"));
  EXPECT_TRUE(has(line_of("", -9), "killed by signal 9"));
  EXPECT_TRUE(has(line_of("", 127), "can't be started"));
  EXPECT_TRUE(has(line_of("No such option: --format"), "too old"));
  EXPECT_TRUE(has(line_of("Error: Local entry not found. 429 Too Many Requests for url: u.\n"), "wait some minutes"));
  EXPECT_TRUE(has(line_of("Error: Local entry not found. [Errno 111] Connection refused\nHint: x\n"),
                  "can't reach https://hub (Local entry not found. [Errno 111] Connection refused)"));
}

TEST(DownloadFailure, OfADataSetCallsItSo) {
  const auto line = [](const std::string& errors) { return line_of(errors, 1, false, RepositoryKind::dataset); };
  EXPECT_TRUE(has(line("Error: Dataset 'org/m' not found.\n"), "no such data set on https://hub; check the name"));
  EXPECT_TRUE(
      has(line("Error: Access denied. Dataset 'org/m' requires approval.\n"), "on https://hub/datasets/org/m,"));
}

TEST(DownloadFailure, IsHfsOwnLineWhereItIsNotKnown) {
  EXPECT_EQ(line_of("warning\nError: the moon is full\nand more\nHint: x\n"),
            "org/m: /bin/hf download failed: the moon is full");
  EXPECT_EQ(line_of("Traceback (most recent call last):\n  File x\nKeyError: 'x'\n\n"),
            "org/m: /bin/hf download failed: KeyError: 'x'");
  EXPECT_EQ(line_of(""), "org/m: /bin/hf download failed: it says nothing");
}

TEST(Credentials, AreNotShown) {
  EXPECT_EQ(without_credentials("https://hub/a@b"), "https://hub/a@b");
  EXPECT_EQ(without_credentials("http://me:p@ss@host:1/x"), "http://host:1/x");
  EXPECT_EQ(without_credentials("for url 'http://me:secret@host/a' and http://me@other"),
            "for url 'http://host/a' and http://other");
}

}  // namespace
}  // namespace sleb
