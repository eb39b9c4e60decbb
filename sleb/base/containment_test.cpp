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

}  // namespace
}  // namespace sleb
