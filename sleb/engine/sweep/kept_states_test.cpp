#include "sleb/engine/sweep/kept_states.h"

#include <ATen/Context.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <array>

namespace sleb {
namespace {

constexpr ChunkId chunk{3, 128};

at::Tensor state(int64_t floats = 10) {
  return at::zeros({floats}, at::kFloat);
}

TEST(KeptStates, ServesEveryPlanThatBypassesTheSameUnitsBefore) {
  KeptStates kept(1000);
  const at::Tensor tensor = state();
  kept.keep(chunk, Plan().bypass_block(1), 8, tensor);
  const Plan later = Plan().bypass_block(1).bypass_block(4);
  EXPECT_TRUE(kept.find(chunk, later, 8).is_same(tensor));
  EXPECT_EQ(kept.deepest(chunk, later), 8);
  EXPECT_EQ(kept.deepest(chunk, Plan().bypass_block(1).bypass_block(3)), 0);
  EXPECT_EQ(kept.deepest(chunk, Plan()), 0);
  EXPECT_FALSE(kept.find(chunk, later, 10).defined());
  EXPECT_EQ(kept.deepest({3, 64}, later), 0);
  EXPECT_EQ(kept.deepest({4, 128}, later), 0);
  kept.keep(chunk, later, 12, state());
  EXPECT_EQ(kept.deepest(chunk, later), 12);
}

TEST(KeptStates, ForgetsWhatIsNotWanted) {
  KeptStates kept(1000);
  const Plan first = Plan().bypass_block(1), second = Plan().bypass_block(2);
  for (const Plan& plan : {first, second}) {
    for (const int64_t depth : {6, 8}) kept.keep(chunk, plan, depth, state());
  }
  kept.keep({0, 128}, first, 6, state());
  EXPECT_EQ(kept.bytes(), 200U);
  const std::array depths = {int64_t{8}};
  kept.forget_all_but(chunk, std::span(&second, 1), depths);
  EXPECT_EQ(kept.bytes(), 80U);
  EXPECT_EQ(kept.bytes_of(chunk), 40U);
  EXPECT_EQ(kept.deepest(chunk, first), 0);
  EXPECT_EQ(kept.deepest(chunk, second), 8);
  EXPECT_FALSE(kept.find(chunk, second, 6).defined());
  EXPECT_EQ(kept.deepest({0, 128}, first), 6);
}

TEST(KeptStates, NeverTakesMoreThanItsLimit) {
  KeptStates kept(100);
  for (int64_t block = 0; block < 5; ++block) kept.keep(chunk, Plan().bypass_block(block), 12, state());
  EXPECT_EQ(kept.bytes(), 80U);
  kept.keep(chunk, Plan().bypass_block(0), 12, state());  // is there already
  EXPECT_EQ(kept.bytes(), 80U);
  KeptStates none(0);
  none.keep(chunk, Plan(), 2, state());
  EXPECT_EQ(none.bytes(), 0U);
}

TEST(KeptStates, CopiesToTheMachinesMemoryWhatDoesNotFit) {
  KeptStates kept(40, 40);
  const Plan first, second = Plan().bypass_block(1), third = Plan().bypass_block(2);
  const at::Tensor own = state(), copied = state();
  kept.keep(chunk, first, 8, own);
  kept.keep(chunk, second, 8, copied);
  kept.keep(chunk, third, 8, state());
  EXPECT_EQ(kept.bytes(), 80U);
  EXPECT_EQ(kept.limit(), 80U);
  EXPECT_TRUE(kept.find(chunk, first, 8).is_same(own));
  copied.fill_(1);  // as the next unit does
  EXPECT_TRUE(kept.find(chunk, second, 8).equal(state()));
  EXPECT_EQ(kept.deepest(chunk, third), 0);
  const std::array depths = {int64_t{8}};
  kept.forget_all_but(chunk, std::span(&first, 1), depths);
  EXPECT_EQ(kept.bytes(), 40U);
  kept.keep(chunk, third, 8, state());
  EXPECT_EQ(kept.deepest(chunk, third), 8);
}

TEST(KeptStates, BringsBackToTheGpuWhatWasCopied) {
  if (!at::hasCUDA()) GTEST_SKIP() << "needs a CUDA device";
  KeptStates kept(0, uint64_t{64} << 20);
  const at::Tensor own = at::arange(int64_t{1} << 22, at::TensorOptions().dtype(at::kFloat).device(at::kCUDA));
  const at::Tensor expected = own.clone();
  kept.keep(chunk, Plan(), 8, own);
  own.fill_(0);
  const at::Tensor found = kept.find(chunk, Plan(), 8);
  EXPECT_EQ(found.device(), own.device());
  EXPECT_TRUE(found.equal(expected));
}

}  // namespace
}  // namespace sleb
