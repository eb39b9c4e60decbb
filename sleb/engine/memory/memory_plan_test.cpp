#include "sleb/engine/memory/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/engine/memory/small_model_for_tests.h"
#include "sleb/engine/plans/operations.h"

namespace sleb {
namespace {

MemoryPlan plan_of(const Compute& compute, int64_t segments, int64_t seqlen) {
  const ModelSpec spec = small_spec();
  std::vector<Plan> candidates;
  for (int64_t i = 1; i < 5; ++i) candidates.push_back(Plan::without_blocks(std::span(&i, 1)));
  const SweepSize sizes{.segments = segments, .seqlen = seqlen, .scored_rows = 128};
  return {spec, compute, plain(0), search_workload(spec, compute, candidates, sizes)};
}

TEST(MemoryPlan, CountsStates) {
  const MemoryPlan plan = plan_of(float32, 16, 256);
  EXPECT_EQ(plan.default_chunk(), 8);
  const MemoryPrediction prediction = plan.predict({plan.weights().all(), 0, 8});
  EXPECT_EQ(prediction.states, 5U * 8 * 256 * 512 * 4);  // four candidates and the dense model
  EXPECT_EQ(prediction.kept, 0U);
  EXPECT_EQ(prediction.weights + prediction.states + prediction.kept + prediction.other, prediction.growth.resident);
  EXPECT_EQ(plan.predict({plan.weights().all(), 0, 4}).states, prediction.states / 2);
  EXPECT_EQ(plan_of(bfloat16, 16, 256).predict({plan.weights().all(), 0, 8}).states, prediction.states / 2);
}

TEST(MemoryPlan, UsualChunksReachForEveryProcess) {
  Compute compute = float32;
  const auto usual = [&](int64_t seqlen, int64_t segments, int64_t processes) {
    compute.num_processes = processes;
    return default_chunk_segments(small_spec(), compute, seqlen, segments);
  };
  EXPECT_EQ(usual(512, 16, 1), 4);
  EXPECT_EQ(usual(512, 16, 4), 4);
  EXPECT_EQ(usual(512, 16, 5), 3);
  EXPECT_EQ(usual(512, 16, 8), 2);
  EXPECT_EQ(usual(512, 16, 64), 1);
  EXPECT_EQ(usual(512, 2, 1), 2);
  EXPECT_EQ(usual(4096, 16, 1), 1);
}

TEST(MemoryPlan, KeepsNoMoreStatesThanAreUseful) {
  const MemoryPlan plan = plan_of(float32, 16, 256);
  const uint64_t state = uint64_t{8} * 256 * 512 * 4;
  EXPECT_EQ(plan.predict({plan.weights().all(), 3 * state + 1, 8}).kept, 3 * state);
  // Where candidate i parts from the rest there are i states: 1 + 2 + 3 + 4, for two chunks.
  EXPECT_EQ(plan.predict({plan.weights().all(), 1000 * state, 8}).kept, 20 * state);
}

TEST(MemoryPlan, GivesUpWhatCostsLeast) {
  const MemoryPlan plan = plan_of(float32, 16, 256);
  const uint64_t least = plan.least({});
  MemoryChoice last{plan.weights().all(), UINT64_MAX, 8};
  bool streamed = false;
  for (uint64_t free = uint64_t{1} << 30; free >= least; free -= uint64_t{1} << 19) {
    const auto choice = plan.choose(free, {});
    ASSERT_TRUE(choice) << free;
    EXPECT_LE(plan.predict(*choice).growth.anonymous, free);
    if (!streamed && !choice->residency.all_resident()) {
      // With all blocks in memory not even one segment at a time fits; streaming begins with as many as fit.
      streamed = true;
      EXPECT_EQ(last.chunk_segments, 1);
    } else {
      EXPECT_LE(choice->chunk_segments, last.chunk_segments);
    }
    // Smaller chunks only once there is no room for kept states; they make some again.
    if (!streamed && choice->chunk_segments < last.chunk_segments) {
      EXPECT_LT(last.state_memory, uint64_t{1} << 19);
    }
    last = *choice;
  }
  EXPECT_TRUE(streamed);
  EXPECT_EQ(last.residency.resident_blocks(), 0);
  EXPECT_TRUE(plan.choose(least, {}));
  EXPECT_FALSE(plan.choose(least - 1, {}));
}

TEST(MemoryPlan, KeepsToWhatTheUserSaid) {
  const MemoryPlan plan = plan_of(float32, 16, 256);
  const uint64_t states = uint64_t{64} << 20;
  const MemoryPlan::Preferences preferences{.state_memory = states, .chunk_segments = 4};
  const auto choice = plan.choose(uint64_t{1} << 30, preferences);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->state_memory, states);
  EXPECT_EQ(choice->chunk_segments, 4);
  EXPECT_EQ(plan.least(preferences),
            plan.predict({plan.weights().residency(plan.weights().least()), states, 4}).growth.anonymous);
  EXPECT_FALSE(plan.choose(plan.least(preferences) - 1, preferences));
  const auto streamed = plan.choose(uint64_t{1} << 30, {.weights_memory = plan.weights().least()});
  ASSERT_TRUE(streamed);
  EXPECT_EQ(streamed->residency.resident_blocks(), 0);
  EXPECT_THROW(plan.choose(uint64_t{1} << 30, {.weights_memory = 1}), Error);
}

TEST(MemoryPlan, LeavesLibtorchItsShareOfAGpu) {
  constexpr uint64_t gib = uint64_t{1} << 30;
  EXPECT_EQ(left_to_libtorch(80 * gib), 5 * gib);
  EXPECT_EQ(left_to_libtorch(8 * gib), gib);
  EXPECT_EQ(left_to_libtorch(2 * gib), gib / 2);
}

TEST(MemoryPlan, LeavesStreamedFilesTheirPages) {
  EXPECT_EQ(host_state_limit(100, 0), 25U);
  EXPECT_EQ(host_state_limit(100, 60), 10U);
  EXPECT_EQ(host_state_limit(100, 160), 0U);
}

TEST(MemoryPlan, SpreadsOverDevicesBeforeItStreams) {
  const MemoryPlan plan = plan_of({"cuda:0", "bfloat16", 1}, 16, 256);
  const MemoryChoice whole{plan.weights().all(), 0, 1};
  const uint64_t needed = plan.predict(whole).growth.anonymous;
  EXPECT_TRUE(plan.choose(std::vector{needed, needed}, {})->residency.devices.empty());
  const std::vector<uint64_t> two = {needed - 1, needed - 1};
  const auto spread = plan.choose(two, {});
  ASSERT_TRUE(spread);
  EXPECT_TRUE(spread->residency.all_resident());
  EXPECT_EQ(std::ranges::count(spread->residency.devices, 0), 3);
  EXPECT_EQ(std::ranges::count(spread->residency.devices, 1), 3);
  // Its weights take half the room now, so the chunks may be larger again.
  EXPECT_GT(spread->chunk_segments, 1);
  const Compute compute{.device = "cuda:0", .dtype = "bfloat16", .more_devices = {"cuda:1"}};
  EXPECT_EQ(compute.on(spread->residency.device(0)).device, "cuda:0");
  EXPECT_EQ(compute.on(spread->residency.device(5)).device, "cuda:1");
  EXPECT_FALSE(plan.choose(std::vector{needed - 1, uint64_t{0}}, {})->residency.all_resident());
  EXPECT_FALSE(plan.choose(two, {.weights_memory = plan.weights().least()})->residency.all_resident());
}

}  // namespace
}  // namespace sleb
