#include "sleb/engine/decoder/device_failure.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/own_pages.h"

namespace sleb {
namespace {

// Of what `work` ends with.
template <typename Work>
std::string failure(Work&& work) try {
  work();
  return "";
} catch (const c10::Error& error) {
  try {
    device_failed("round 7", "cuda:0", error);
  } catch (const Error& translated) {
    EXPECT_EQ(translated.kind(), ErrorKind::failed);
    return translated.what();
  }
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

constexpr int64_t too_much = int64_t{1} << 60;

TEST(DeviceFailure, SaysHowToGoOnWhereMemoryIsShort) {
  for (const bool own_pages : {false, true}) {
    const std::string text =
        failure([&] { own_pages ? empty_on_own_pages({too_much}, at::kByte) : at::empty({too_much}, at::kByte); });
    EXPECT_TRUE(text.starts_with("round 7: the memory of cuda:0 does not suffice: ")) << text;
    EXPECT_TRUE(contains(text, "give less --weights-memory")) << text;
    EXPECT_FALSE(contains(text, "\n")) << text;
  }
}

TEST(DeviceFailure, SaysInOneLineWhatElseFailed) {
  const std::string text =
      failure([] { TORCH_CHECK(false, "CUDA error: misaligned address\nFor debugging, pass X=1"); });
  EXPECT_EQ(text, "round 7: cuda:0 failed: CUDA error: misaligned address");
}

TEST(DeviceFailure, KeepsToWhatConcernsTheUser) {
  const std::string text = failure([] {
    TORCH_CHECK_WITH(OutOfMemoryError, false,
                     "CUDA out of memory. Tried to allocate 2.00 GiB. If reserved but unallocated memory is large, "
                     "try setting X. See documentation for Memory Management (https://pytorch.org)");
  });
  EXPECT_TRUE(contains(text, "Tried to allocate 2.00 GiB.;")) << text;
}

}  // namespace
}  // namespace sleb
