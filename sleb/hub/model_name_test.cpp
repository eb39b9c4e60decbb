#include "sleb/hub/model_name.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(ModelName, SaysRepositoryRevisionAndGguf) {
  const auto plain = parse_model_name("HuggingFaceTB/SmolLM2-135M");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->repository.name, "HuggingFaceTB/SmolLM2-135M");
  EXPECT_EQ(plain->repository.revision, "main");
  EXPECT_EQ(plain->file + plain->quantisation, "");

  EXPECT_EQ(parse_model_name("org/name@v1.0")->repository.revision, "v1.0");
  EXPECT_EQ(parse_model_name("org/name@refs/pr/3")->repository.revision, "refs/pr/3");
  EXPECT_EQ(parse_model_name("org/name:Q4_K_M")->quantisation, "Q4_K_M");
  EXPECT_EQ(parse_model_name("org/name/a.Q8_0.gguf")->file, "a.Q8_0.gguf");
  EXPECT_EQ(parse_model_name("org/name/Q8/a-00001-of-00002.gguf")->file, "Q8/a-00001-of-00002.gguf");
  for (const char* both : {"org/name@v1:Q4_K_M", "org/name:Q4_K_M@v1"}) {
    EXPECT_EQ(parse_model_name(both)->repository.revision, "v1") << both;
    EXPECT_EQ(parse_model_name(both)->quantisation, "Q4_K_M") << both;
  }
  EXPECT_EQ(parse_model_name("org/name/a.gguf@v1")->repository.revision, "v1");
}

TEST(ModelName, LeavesPathsAlone) {
  for (const char* path : {"",
                           "name",
                           "/org/name",
                           "./name",
                           "../name",
                           "~/name",
                           "org/",
                           "/",
                           "org/name/",
                           "org//name",
                           "org/name/config.json",
                           "models/a.gguf",
                           "a/b/c",
                           "org/na me",
                           "org/--name",
                           "a--b/c",
                           "org/a..b",
                           "org/.name",
                           "org/name.",
                           "-o/name",
                           "org/name@",
                           "org/name@/x",
                           "org/name@a/../b",
                           "org/name@-x",
                           "org/name:",
                           "org/name:Q4/..",
                           "org/name/../x.gguf",
                           "org/name/x.gguf:Q4",
                           "org/name@a@b",
                           "org/name.git",
                           "org/n\xc3\xa4me"}) {
    EXPECT_FALSE(parse_model_name(path)) << path;
  }
}

TEST(ModelName, CommitsAreFullHashes) {
  EXPECT_TRUE(is_commit_hash("0123456789abcdef0123456789abcdef01234567"));
  EXPECT_FALSE(is_commit_hash("0123456789abcdef0123456789abcdef0123456"));
  EXPECT_FALSE(is_commit_hash("../3456789abcdef0123456789abcdef01234567"));
}

}  // namespace
}  // namespace sleb
