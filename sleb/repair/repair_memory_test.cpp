#include "sleb/repair/repair_memory.h"

#include <gtest/gtest.h>

#include "sleb/engine/memory/small_model_for_tests.h"

namespace sleb {
namespace {

constexpr uint64_t plenty = uint64_t{1} << 40;
const RepairSize size{.segments = 64, .seqlen = 1024};

TEST(RepairMemory, HoldsEverythingWhereItFits) {
  const auto memory = plan_repair_memory(small_spec(), float32, plain(4), size, plenty, plenty, 0);
  ASSERT_TRUE(memory);
  EXPECT_TRUE(memory->residency.all_resident());
  EXPECT_FALSE(memory->states_on_disk);
  EXPECT_EQ(memory->states, 2u * 64 * 1024 * 512 * 4);
}

TEST(RepairMemory, PutsStatesOnTheDiskFirstAndThenStreamsBlocks) {
  const ModelSpec spec = small_spec();
  const auto all = plan_repair_memory(spec, float32, plain(4), size, plenty, plenty, 0);
  const auto less = plan_repair_memory(spec, float32, plain(4), size, all->growth.anonymous - 1, plenty, 0);
  ASSERT_TRUE(less);
  EXPECT_TRUE(less->states_on_disk);
  EXPECT_TRUE(less->residency.all_resident());
  const uint64_t least = least_repair_memory(spec, float32, plain(4), size);
  const auto streamed = plan_repair_memory(spec, float32, plain(4), size, least, plenty, 0);
  ASSERT_TRUE(streamed);
  EXPECT_FALSE(streamed->residency.all_resident());
  EXPECT_FALSE(plan_repair_memory(spec, float32, plain(4), size, least - 1, plenty, 0));
}

}  // namespace
}  // namespace sleb
