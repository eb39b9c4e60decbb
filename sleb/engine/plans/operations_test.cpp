#include "sleb/engine/plans/operations.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(HeadSlices, AreAFewMegabytesOnACpuAndManyRowsOnCuda) {
  const auto rows = [](const std::string& device, int64_t vocabulary) {
    ModelSpec spec;
    spec.vocabulary_size = vocabulary;
    return head_slice_rows(spec, {.device = device, .dtype = "bfloat16"});
  };
  EXPECT_EQ(rows("cpu", 32000), 98);        // 12 MiB of float32
  EXPECT_EQ(rows("cpu", 128256), 64);       // the least
  EXPECT_EQ(rows("cuda:0", 32000), 1048);   // 128 MiB
  EXPECT_EQ(rows("cuda:0", 128256), 1024);  // the least
}

}  // namespace
}  // namespace sleb
