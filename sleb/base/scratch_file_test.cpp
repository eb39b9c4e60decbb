#include "sleb/base/scratch_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "sleb/base/error.h"

namespace sleb {
namespace {

namespace fs = std::filesystem;

TEST(ScratchFile, HoldsWhatIsWrittenAndHasNoName) {
  const fs::path folder = fs::path(testing::TempDir()) / "scratch";
  fs::create_directories(folder);
  const ScratchFile file(folder, 100'000);
  EXPECT_TRUE(std::ranges::all_of(file.bytes(), [](std::byte byte) { return byte == std::byte{0}; }));
  file.bytes()[99'999] = std::byte{7};
  EXPECT_EQ(file.bytes()[99'999], std::byte{7});
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(ScratchFile, SaysWhereThereIsNoRoom) {
  try {
    const ScratchFile file(testing::TempDir(), uint64_t{1} << 60);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    EXPECT_NE(std::string(error.what()).find("can't hold"), std::string::npos);
  }
}

}  // namespace
}  // namespace sleb
