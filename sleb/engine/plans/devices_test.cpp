#include "sleb/engine/plans/devices.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Names = std::vector<std::string>;

TEST(Devices, TakesCudaWhereThereIsOne) {
  EXPECT_EQ(choose_devices("auto", 0, 0, 1).device, "cpu");
  EXPECT_EQ(choose_devices("auto", 1, 0, 1).device, "cuda:0");
  EXPECT_EQ(choose_devices("cpu", 1, 0, 1).device, "cpu");
}

TEST(Devices, MayPlaceBlocksOnAllUnlessOneIsNamed) {
  EXPECT_EQ(choose_devices("auto", 3, 0, 1).more, (Names{"cuda:1", "cuda:2"}));
  EXPECT_EQ(choose_devices("cuda", 3, 0, 1).more, (Names{"cuda:1", "cuda:2"}));
  EXPECT_EQ(choose_devices("cuda:1", 3, 0, 1).device, "cuda:1");
  EXPECT_EQ(choose_devices("cuda:1", 3, 0, 1).more, Names());
  EXPECT_EQ(choose_devices("cuda:0", 3, 0, 1).more, Names());
}

TEST(Devices, GivesEachProcessItsOwn) {
  EXPECT_EQ(choose_devices("cuda", 2, 1, 2).device, "cuda:1");
  EXPECT_EQ(choose_devices("cuda", 2, 1, 2).more, Names());
  EXPECT_TRUE(error_message([] { choose_devices("cuda", 2, 2, 3); }).find("process 2") != std::string::npos);
}

TEST(Devices, RefusesWhatIsNotThere) {
  for (const char* name : {"cuda:2", "cuda:-1", "cuda:", "cuda:1x", "gpu"}) {
    EXPECT_NE(error_message([&] { choose_devices(name, 2, 0, 1); }), "") << name;
  }
  EXPECT_NE(error_message([] { choose_devices("cuda", 0, 0, 1); }), "");
}

TEST(Devices, ResumesOnAllThatTheRunHad) {
  const DeviceChoice first = choose_devices("auto", 3, 0, 1);
  const DeviceChoice again = choose_devices(device_to_resume(first.device), 3, 0, 1);
  EXPECT_EQ(again.device, first.device);
  EXPECT_EQ(again.more, first.more);
  EXPECT_EQ(device_to_resume("cuda:1"), "cuda:1");
  EXPECT_EQ(device_to_resume("cpu"), "cpu");
}

TEST(Devices, ComputeInBfloat16WhereTheyCan) {
  EXPECT_EQ(default_gpu_type(75), "float16");
  EXPECT_EQ(default_gpu_type(80), "bfloat16");
  EXPECT_EQ(default_gpu_type(120), "bfloat16");
}

TEST(Devices, NameEachKindOfCardOnce) {
  EXPECT_EQ(names_of_cards({"H100", "H100"}), "H100");
  EXPECT_EQ(names_of_cards({"T4", "H100", "T4"}), "H100 and T4");
}

}  // namespace
}  // namespace sleb
