#include "sleb/repair/repair_memory.h"

#include <gtest/gtest.h>

#include "sleb/engine/memory/small_model_for_tests.h"

namespace sleb {
namespace {

constexpr uint64_t plenty = uint64_t{1} << 40;
const RepairSize size{.segments = 64, .seqlen = 1024};

TEST(RepairMemory, HoldsEverythingWhereItFits) {
  const auto memory = plan_repair_memory(small_spec(), float32, plain(4), size, {.free = plenty, .host_free = plenty});
  ASSERT_TRUE(memory);
  EXPECT_TRUE(memory->residency.all_resident());
  EXPECT_FALSE(memory->states_on_disk);
  EXPECT_EQ(memory->states, 2u * 64 * 1024 * 512 * 4);
}

TEST(RepairMemory, PutsStatesOnTheDiskWhereTheUserWantsIt) {
  RepairLimits limits{.free = plenty, .host_free = plenty, .state_memory = 2u * 64 * 1024 * 512 * 4};
  EXPECT_FALSE(plan_repair_memory(small_spec(), float32, plain(4), size, limits)->states_on_disk);
  --*limits.state_memory;
  EXPECT_TRUE(plan_repair_memory(small_spec(), float32, plain(4), size, limits)->states_on_disk);
}

TEST(RepairMemory, PutsStatesOnTheDiskFirstAndThenStreamsBlocks) {
  const ModelSpec spec = small_spec();
  const auto all = plan_repair_memory(spec, float32, plain(4), size, {.free = plenty, .host_free = plenty});
  const auto less =
      plan_repair_memory(spec, float32, plain(4), size, {.free = all->growth.anonymous - 1, .host_free = plenty});
  ASSERT_TRUE(less);
  EXPECT_TRUE(less->states_on_disk);
  EXPECT_TRUE(less->residency.all_resident());
  const uint64_t least = least_repair_memory(spec, float32, plain(4), size);
  const auto streamed = plan_repair_memory(spec, float32, plain(4), size, {.free = least, .host_free = plenty});
  ASSERT_TRUE(streamed);
  EXPECT_FALSE(streamed->residency.all_resident());
  EXPECT_FALSE(plan_repair_memory(spec, float32, plain(4), size, {.free = least - 1, .host_free = plenty}));
}

}  // namespace
}  // namespace sleb
