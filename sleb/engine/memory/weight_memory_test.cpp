#include "sleb/engine/memory/weight_memory.h"

#include <gtest/gtest.h>

#include "sleb/engine/memory/small_model_for_tests.h"

namespace sleb {
namespace {

constexpr uint64_t width = 512, query_key_value = width * 1024, attention_output = width * width,
                   gate_up = 2 * width * 1280, down = width * 1280, norms = 2 * width, embedding = width * width,
                   head = width * width, final_norm = width;
constexpr uint64_t block = query_key_value + attention_output + gate_up + down + norms;

TEST(WeightMemory, CountsWeights) {
  const WeightMemory weights(small_spec(), float32, plain(0));
  EXPECT_EQ(weights.all().bytes, 4 * (6 * block + head + final_norm));
  EXPECT_EQ(weights.least(), 4 * (2 * block + head + final_norm));
  EXPECT_EQ(WeightMemory(small_spec(), bfloat16, plain(0)).all().bytes, 2 * (6 * block + head + final_norm));
  EXPECT_EQ(weights.held(weights.all()).anonymous, weights.all().bytes);
}

TEST(WeightMemory, CountsTheEmbeddingOnAGpu) {
  const Compute cuda{"cuda:0", "bfloat16", 1};
  ModelSpec spec = small_spec();
  const WeightMemory weights(spec, cuda, plain(0));
  EXPECT_EQ(weights.all().bytes, 2 * (6 * block + embedding + head + final_norm));
  EXPECT_EQ(weights.least(), 2 * (2 * block + embedding + head + final_norm));
  spec.tied_head = true;
  EXPECT_EQ(WeightMemory(spec, cuda, plain(0)).all().bytes, 2 * (6 * block + head + final_norm));
  EXPECT_EQ(WeightMemory(spec, bfloat16, plain(0)).all().bytes, 2 * (6 * block + head + final_norm));
}

TEST(WeightMemory, LoadsTheLastBlockBesideAllOthers) {
  const WeightMemory weights(small_spec(), float32, plain(100));
  // Of the last block, gate and up are there twice and down is not there yet: as much as down twice, all else once.
  const uint64_t all = weights.all().bytes;
  EXPECT_EQ(weights.loading(weights.all()).anonymous, all - 4 * norms + 4 * down);
  // Less than a whole copy of the largest part.
  EXPECT_LT(weights.loading(weights.all()).anonymous, all + 4 * gate_up);
}

TEST(WeightMemory, DecodedTensorsStandBesideTheirCopies) {
  const auto decoded = [](const std::string&) { return StoredForm{1000, true}; };
  const WeightMemory weights(small_spec(), bfloat16, decoded);
  // The widest tensor is down, gate or up: 4 bytes each beside 2. At down, everything else of the block is there.
  const Footprint loading = weights.loading(weights.all());
  EXPECT_EQ(loading.anonymous, weights.all().bytes - 2 * norms + 4 * down);
  EXPECT_EQ(loading.resident, loading.anonymous + 1000);
}

TEST(WeightMemory, HoldsTwoStreamedBlocks) {
  const WeightMemory weights(small_spec(), float32, plain(0));
  const Residency none = weights.residency(weights.least());
  EXPECT_EQ(none.resident_blocks(), 0);
  EXPECT_EQ(weights.held(none).anonymous, weights.least() - 4 * norms + 4 * down);
}

TEST(WeightMemory, CountsPackedWeights) {
  const Compute packed{.device = "cpu", .dtype = "bfloat16", .threads = 1, .packed_weights = true};
  // The head and down are not packed.
  const StoredForms forms = [](const std::string& name) {
    const bool is_plain = name.starts_with("lm_head") || name.find("down_proj") != name.npos;
    return StoredForm{0, true, is_plain ? 0 : 32};
  };
  const uint64_t matrices = query_key_value + attention_output + gate_up;
  const uint64_t of_block = matrices / 2 + matrices / 32 * 4 + 2 * (down + norms);
  const ModelSpec spec = small_spec();
  const WeightMemory weights(spec, packed, forms);
  EXPECT_EQ(weights.all().bytes, 6 * of_block + 2 * (head + final_norm));
  const uint64_t plain_bytes = 2 * (6 * block + head + final_norm);
  EXPECT_EQ(plain_bytes - saved_by_packing(spec, packed, forms, Plan()), weights.all().bytes);
  EXPECT_EQ(plain_bytes - 2 * block - saved_by_packing(spec, packed, forms, Plan().bypass_block(2)),
            weights.all().bytes - of_block);
  EXPECT_LT(weights.loading(weights.all()).anonymous, weights.all().bytes + 4 * gate_up);
}

}  // namespace
}  // namespace sleb
