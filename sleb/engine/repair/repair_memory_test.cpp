#include "sleb/engine/repair/repair_memory.h"

#include <gtest/gtest.h>

#include "sleb/engine/memory/small_model_for_tests.h"
#include "sleb/engine/repair/repair.h"

namespace sleb {
namespace {

constexpr uint64_t plenty = uint64_t{1} << 40;
const RepairSize size{.segments = 64, .seqlen = 1024};

ModelSpec llama2(int64_t blocks, int64_t hidden, int64_t intermediate, int64_t heads, int64_t kv_heads) {
  const Json config = {{"model_type", "llama"},        {"num_hidden_layers", blocks},
                       {"hidden_size", hidden},        {"intermediate_size", intermediate},
                       {"num_attention_heads", heads}, {"num_key_value_heads", kv_heads},
                       {"vocab_size", 32000},          {"rms_norm_eps", 1e-5}};
  return spec_from_config(JsonView(config, "config.json"));
}

// 64k tokens of LLaMA-2 on GPUs: 7B in 24 GB, and 70B, block by block, in 80 GB.
TEST(RepairMemory, TakesLargeModelsOnOneCard) {
  const Compute cuda{"cuda:0", "bfloat16", 1};
  const uint64_t gib = uint64_t{1} << 30;
  const auto small = plan_repair_memory(llama2(32, 4096, 11008, 32, 32), cuda, plain(2), size,
                                        {.free = 22 * gib, .host_free = 64 * gib});
  ASSERT_TRUE(small);
  EXPECT_TRUE(small->residency.all_resident());
  EXPECT_EQ(small->states_place, StatesPlace::device);
  const auto large = plan_repair_memory(llama2(80, 8192, 28672, 64, 8), cuda, plain(2), size,
                                        {.free = 74 * gib, .host_free = 64 * gib});
  ASSERT_TRUE(large);
  EXPECT_FALSE(large->residency.all_resident());
}

TEST(RepairMemory, HoldsEverythingWhereItFits) {
  const auto memory = plan_repair_memory(small_spec(), float32, plain(4), size, {.free = plenty, .host_free = plenty});
  ASSERT_TRUE(memory);
  EXPECT_TRUE(memory->residency.all_resident());
  EXPECT_NE(memory->states_place, StatesPlace::disk);
  EXPECT_EQ(memory->states, 2u * 64 * 1024 * 512 * 4);
}

// Qwen3-30B-A3B: 128 experts of 768, of which a token chooses 8.
TEST(RepairMemory, CountsWhatExpertsTake) {
  const Json config = {
      {"model_type", "qwen3_moe"},   {"num_hidden_layers", 48},      {"hidden_size", 2048}, {"intermediate_size", 6144},
      {"num_attention_heads", 32},   {"num_key_value_heads", 4},     {"head_dim", 128},     {"vocab_size", 151936},
      {"rms_norm_eps", 1e-6},        {"moe_intermediate_size", 768}, {"num_experts", 128},  {"num_experts_per_tok", 8},
      {"tie_word_embeddings", false}};
  const ModelSpec spec = spec_from_config(JsonView(config, "config.json"));
  const auto memory = plan_repair_memory(spec, bfloat16, plain(2), size, {.free = plenty, .host_free = plenty});
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->states, 3u * 64 * 1024 * 2048 * 2);
  // Attention's output is wider than an expert.
  EXPECT_EQ(memory->solving, 8u * (4 * 4096 * 4096 + 7 * 4096 * 2048));
  EXPECT_EQ(least_expert_tokens(spec), 4 * 768);
  EXPECT_EQ(least_repair_tokens(spec), 4 * 4096);
  // The changed tensors of all experts are pages of files.
  const uint64_t experts = uint64_t{48} * 128 * 768 * 2048 * 2;
  EXPECT_GT(memory->growth.resident - memory->growth.anonymous, experts);
}

TEST(RepairMemory, PutsStatesOnTheDiskWhereTheUserWantsIt) {
  RepairLimits limits{.free = plenty, .host_free = plenty, .state_memory = 2u * 64 * 1024 * 512 * 4};
  EXPECT_NE(plan_repair_memory(small_spec(), float32, plain(4), size, limits)->states_place, StatesPlace::disk);
  --*limits.state_memory;
  EXPECT_EQ(plan_repair_memory(small_spec(), float32, plain(4), size, limits)->states_place, StatesPlace::disk);
}

TEST(RepairMemory, PutsStatesOnTheDiskFirstAndThenStreamsBlocks) {
  const ModelSpec spec = small_spec();
  const auto all = plan_repair_memory(spec, float32, plain(4), size, {.free = plenty, .host_free = plenty});
  const auto less =
      plan_repair_memory(spec, float32, plain(4), size, {.free = all->growth.anonymous - 1, .host_free = plenty});
  ASSERT_TRUE(less);
  EXPECT_EQ(less->states_place, StatesPlace::disk);
  EXPECT_TRUE(less->residency.all_resident());
  const uint64_t least = least_repair_memory(spec, float32, plain(4), size);
  const auto streamed = plan_repair_memory(spec, float32, plain(4), size, {.free = least, .host_free = plenty});
  ASSERT_TRUE(streamed);
  EXPECT_FALSE(streamed->residency.all_resident());
  EXPECT_FALSE(plan_repair_memory(spec, float32, plain(4), size, {.free = least - 1, .host_free = plenty}));
}

}  // namespace
}  // namespace sleb
