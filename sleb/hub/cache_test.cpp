#include "sleb/hub/cache.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/untrusted_file.h"

namespace sleb {
namespace {

constexpr const char* commit = "0123456789abcdef0123456789abcdef01234567";

std::string cache_of(std::map<std::string, std::string> variables) {
  variables.emplace("HOME", "/home/me");
  return hub_cache([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// tests/hub/test_names.py asks huggingface_hub the same.
TEST(HubCache, StandsWhereHuggingfaceHubHasIt) {
  EXPECT_EQ(cache_of({}), "/home/me/.cache/huggingface/hub");
  EXPECT_EQ(cache_of({{"XDG_CACHE_HOME", "/x"}}), "/x/huggingface/hub");
  EXPECT_EQ(cache_of({{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "/h/"}}), "/h/hub");
  EXPECT_EQ(cache_of({{"HF_HOME", "/h"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/old");
  EXPECT_EQ(cache_of({{"HF_HUB_CACHE", "/new"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/new");
  EXPECT_EQ(cache_of({{"HF_HOME", "~/h"}}), "/home/me/h/hub");
  EXPECT_EQ(cache_of({{"HF_HOME", "$DISK/${NAME}x/$NONE/${"}, {"DISK", "/d"}, {"NAME", "n"}}), "/d/nx/$NONE/${/hub");
}

TEST(HubCache, RevisionsLeadToCommits) {
  const testing_files::TemporaryFolder scratch;
  RepositoryName name;
  name.name = "org/name";
  const auto folder = repository_folder(scratch.path(), name);
  EXPECT_EQ(folder.filename(), "models--org--name");
  name.kind = RepositoryKind::dataset;
  EXPECT_EQ(repository_folder(scratch.path(), name).filename(), "datasets--org--name");
  name.name = "name";
  EXPECT_EQ(repository_folder(scratch.path(), name).filename(), "datasets--name");
  EXPECT_FALSE(find_snapshot(folder, "main"));
  scratch.write("models--org--name/refs/main", commit);
  scratch.write("models--org--name/refs/pr/1", std::string(commit) + "\n");
  scratch.write("models--org--name/refs/bad", "../../elsewhere");
  EXPECT_EQ(find_snapshot(folder, "main")->folder, folder / "snapshots" / commit);
  EXPECT_EQ(find_snapshot(folder, "pr/1")->commit, commit);
  EXPECT_FALSE(find_snapshot(folder, "bad"));
  EXPECT_EQ(find_snapshot(folder, std::string(40, 'a'))->commit, std::string(40, 'a'));
  EXPECT_FALSE(find_snapshot(folder, "main")->listing);
}

TEST(HubCache, ListingsAreReadAsFarAsTheyMakeSense) {
  const testing_files::TemporaryFolder scratch;
  const auto listing = [&](std::string_view text) { return read_listing(scratch.write("tree.json", text)); };
  const auto files = listing(
      R"({"format_version": 1, "files": {"a.json": {"size": 3}, "../b": {"size": 1}, "/etc/c": {"size": 1},
          "w": {"size": 134, "lfs_size": 99, "lfs_sha256": "0", "blob_id": "1", "xet_hash": "2"},
          "d": {"size": 2, "blob_id": "3"}}})");
  ASSERT_TRUE(files);
  EXPECT_EQ(*files, (Listing{{"a.json", {3}}, {"w", {99, "0", "0", "2"}}, {"d", {2, "", "3"}}}));
  for (const char* none :
       {"", "[]", "{", R"({"format_version": 2, "files": {}})", R"({"format_version": 1})",
        R"({"format_version": 1, "files": []})", R"({"format_version": 1, "files": {"a": {"size": -1}}})",
        R"({"format_version": 1, "files": {"a": 1}})"}) {
    EXPECT_FALSE(listing(none)) << none;
  }
  EXPECT_FALSE(read_listing(scratch.path() / "nowhere"));
}

TEST(HubCache, ContentsAreThoseOfAnyRevisionAndOfSharedOnes) {
  const testing_files::TemporaryFolder scratch;
  const auto repository = scratch.path() / "models--org--name";
  const std::string blob(40, 'b'), xet = "ab" + std::string(62, 'c');
  EXPECT_FALSE(has_content(repository, {.bytes = 3, .blob = blob}));
  scratch.write("models--org--name/blobs/" + blob, "abc");
  EXPECT_TRUE(has_content(repository, {.bytes = 3, .blob = blob}));
  EXPECT_FALSE(has_content(repository, {.bytes = 3})) << "not known";
  EXPECT_FALSE(has_content(repository, {.bytes = 3, .blob = "../blobs/" + blob}));
  const ListedFile shared{.bytes = 3, .xet = xet};
  scratch.write("blobs/ab/" + xet, "abc");
  EXPECT_FALSE(has_shared_content(scratch.path(), shared)) << "a folder that is not huggingface_hub's";
  scratch.write("blobs/.huggingface-shared-blobs", "1\n");
  EXPECT_TRUE(has_shared_content(scratch.path(), shared));
  EXPECT_FALSE(has_shared_content(scratch.path(), {.bytes = 4, .xet = xet})) << "hf takes none of another size";
}

}  // namespace
}  // namespace sleb
