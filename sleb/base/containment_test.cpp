#include "sleb/base/containment.h"

#include <gtest/gtest.h>

#include "tests/untrusted_file.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

TEST(Containment, FollowsLinks) {
  const testing_files::TemporaryFolder scratch;
  const fs::path secret = scratch.write("secret", "x");
  const fs::path folder = scratch.write("model/sub/file", "x").parent_path().parent_path();
  fs::create_symlink(secret, folder / "out");
  fs::create_symlink("sub/file", folder / "in");
  fs::create_symlink("circle", folder / "circle");
  fs::create_directory_symlink(scratch.path(), folder / "up");
  std::error_code error;
  EXPECT_TRUE(is_inside(folder / "sub" / "file", folder, error));
  EXPECT_TRUE(is_inside(folder / "in", folder, error));
  EXPECT_FALSE(is_inside(folder / "out", folder, error));
  EXPECT_FALSE(is_inside(folder / "up" / "secret", folder, error));
  EXPECT_FALSE(is_inside(folder, folder, error));
  EXPECT_FALSE(is_inside(scratch.path() / "model-2", folder, error) || !error);
  EXPECT_FALSE(is_inside(folder / "circle", folder, error) || !error);
}

TEST(Containment, TheHuggingFaceCachesOwnLinksAreInside) {
  const testing_files::TemporaryFolder cache;
  cache.write("model/blobs/0123", "x");
  cache.write("other/blobs/4567", "x");
  const fs::path snapshot = cache.write("model/snapshots/rev/plain", "x").parent_path();
  fs::create_symlink("../../blobs/0123", snapshot / "own");
  fs::create_symlink("../../../other/blobs/4567", snapshot / "others");
  std::error_code error;
  EXPECT_TRUE(is_inside(snapshot / "own", snapshot, error));
  EXPECT_FALSE(is_inside(snapshot / "others", snapshot, error));
}

TEST(Containment, ContentsThatModelsShareAreInside) {
  const testing_files::TemporaryFolder cache;
  const std::string hash(64, 'a');
  cache.write("blobs/aa/" + hash, "x");
  cache.write("blobs/aa/secret", "x");
  const fs::path snapshot = cache.write("model/snapshots/rev/Q8/plain", "x").parent_path().parent_path();
  fs::create_directories(cache.path() / "model" / "blobs");
  fs::create_symlink("../../blobs/aa/" + hash, cache.path() / "model" / "blobs" / "0123");
  fs::create_symlink("../../blobs/0123", snapshot / "weights");
  fs::create_symlink("../../../blobs/0123", snapshot / "Q8" / "weights");
  fs::create_symlink("../../../blobs/aa/secret", snapshot / "secret");
  std::error_code error;
  EXPECT_TRUE(is_inside(snapshot / "weights", snapshot, error));
  EXPECT_TRUE(is_inside(snapshot / "Q8" / "weights", snapshot / "Q8", error));
  EXPECT_FALSE(is_inside(snapshot / "secret", snapshot, error));
}

}  // namespace
}  // namespace sleb
