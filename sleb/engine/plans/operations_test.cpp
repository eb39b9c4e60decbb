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

TEST(Chunks, AreSomeMillisecondsOfWorkOnCuda) {
  const auto tokens = [](const std::string& device, int64_t hidden, int64_t intermediate, int64_t segments) {
    ModelSpec spec;
    spec.hidden_size = hidden;
    spec.intermediate_size = intermediate;
    spec.num_heads = spec.num_kv_heads = hidden / 64;
    spec.head_dim = 64;
    spec.mlp = MlpKind::gated;
    return 512 * default_chunk_segments(spec, {.device = device, .dtype = "bfloat16"}, 512, segments);
  };
  EXPECT_EQ(tokens("cuda:0", 576, 1536, 100), 16384);
  EXPECT_EQ(tokens("cuda:0", 2048, 8192, 100), 10752);  // of about 135 MFLOP a token and block
  EXPECT_EQ(tokens("cuda:0", 4096, 11008, 100), 4096);
  EXPECT_EQ(tokens("cuda:0", 4096, 11008, 3), 3 * 512);
  EXPECT_EQ(tokens("cpu", 4096, 11008, 100), 2048);
}

}  // namespace
}  // namespace sleb
