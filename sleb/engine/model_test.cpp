#include "sleb/engine/model.h"

#include <functional>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/small_checkpoint_for_tests.h"
#include "sleb/engine/decoder/stand_in_gpu_for_tests.h"
#include "sleb/engine/memory/probe.h"
#include "sleb/engine/sequences/forward.h"
#include "sleb/engine/sequences/generator.h"
#include "sleb/engine/sequences/sequence_scorer.h"
#include "sleb/engine/sweep/plan_evaluator.h"

namespace sleb {
namespace {

constexpr int64_t num_blocks = 6;

class ModelOnGpus : public OnAStandInGpu {
 protected:
  const SmallCheckpoint small_{num_blocks};
  const Compute three_gpus_{
      .device = StandInGpu::first, .dtype = "float32", .threads = 1, .more_devices = {StandInGpu::second, "meta:2"}};

  Model model(const Residency& residency) const {
    return {small_.checkpoint(), three_gpus_, residency, silent_progress()};
  }
};

TEST_F(ModelOnGpus, IsWhereItsMemoryPlanPlacedIt) {
  Residency residency = Residency::unbounded(0, 1, num_blocks);
  residency.devices = {0, 0, 0, 0, 1, 1};
  const Model spread = model(residency);
  for (int64_t block = 0; block < num_blocks; ++block) {
    EXPECT_EQ(spread.decoder().device(block).index(), residency.device(block)) << block;
  }
  EXPECT_EQ(spread.compute().device, StandInGpu::first);
  EXPECT_EQ(spread.compute().more_devices, (std::vector<std::string>{StandInGpu::second}));  // nothing is on the third
  EXPECT_TRUE(model(Residency::unbounded(0, 1, num_blocks)).compute().more_devices.empty());
}

TEST_F(ModelOnGpus, GivesBackPinnedMemoryOnceAllIsLoaded) {
  model(Residency::unbounded(0, 1, num_blocks));
  EXPECT_EQ(gpu().pinned_memory_given_back(), 1);
  model(Residency::under_limit(3, 0, 1, num_blocks));  // it is needed for the blocks to come
  EXPECT_EQ(gpu().pinned_memory_given_back(), 1);
}

// What the user reads when `work` is short of memory.
std::string failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  return "no error";
}

TEST_F(ModelOnGpus, WhateverIsShortOfMemoryIsAnErrorOfOneLine) {
  const Residency all = Residency::unbounded(0, 1, num_blocks);
  const Model loaded = model(all);
  Corpus corpus;
  corpus.ids.assign(40, 3);
  corpus.segments = 2;
  corpus.seqlen = 20;
  const std::vector<SequenceGroup> questions = {{{{1, 2, 3}, 1}}};
  const std::vector<int64_t> ids = {1, 2, 3};
  gpu().fill();
  const std::vector<std::pair<std::string, std::function<void()>>> work = {
      {small_.checkpoint().path().string() + ": loading", [&] { model(all); }},
      {"round 7",
       [&] { PlanEvaluator(loaded, corpus).evaluate(std::vector<Plan>(1), {.stage = "round 7"}, silent_progress()); }},
      {"a task", [&] { score_sequences(loaded, std::vector<Plan>(1), questions, {"a task"}, silent_progress()); }},
      {"computing logits", [&] { compute_logits(loaded, {}, ids, LogitRows::all); }},
      {"computing logits", [&] { run_forward(loaded, {}, ids, 1, LogitRows::all); }},
      {"the cache of keys and values", [&] { Generator(loaded, 1, 3, 2); }},
      {"the first computation", [&] { warm_up(three_gpus_); }},
      {"measuring the speed",
       [&] {
         probe_rates(small_.checkpoint(), three_gpus_, {1, 20});
       }},
      {"measuring the speed", [&] { probe_token_seconds(small_.checkpoint(), three_gpus_, 1); }},
  };
  for (const auto& [what, run] : work) {
    const std::string text = failure(run);
    EXPECT_TRUE(text.starts_with(what + ": the memory of meta:0 does not suffice: ")) << what << " said: " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace sleb
