#include "sleb/engine/plans/attention_kernels.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(AttentionKernels, RepeatsHeadsOnlyForTheKernelThatNeedsIt) {
  const AttentionShape bfloat16{128, 2, true}, float32{128, 4, true};
  EXPECT_FALSE(must_repeat_heads(bfloat16, /*masked=*/false));
  EXPECT_TRUE(must_repeat_heads(bfloat16, /*masked=*/true));
  EXPECT_TRUE(must_repeat_heads(float32, /*masked=*/false));
  EXPECT_FALSE(must_repeat_heads({128, 4, false}, /*masked=*/true));
  EXPECT_TRUE(must_repeat_heads({512, 2, true}, /*masked=*/false));
}

TEST(AttentionKernels, KeepsScoresOfHeadsThatNoOtherKernelTakes) {
  for (const bool masked : {false, true}) {
    EXPECT_FALSE(keeps_scores({80, 2, true}, masked));
    EXPECT_FALSE(keeps_scores({128, 4, true}, masked));
    EXPECT_FALSE(keeps_scores({512, 2, true}, masked));
    EXPECT_TRUE(keeps_scores({514, 2, false}, masked));
    EXPECT_TRUE(keeps_scores({66, 4, false}, masked));
  }
  // Flash attention pads heads, the kernel for masks does not.
  EXPECT_FALSE(keeps_scores({100, 2, false}, /*masked=*/false));
  EXPECT_TRUE(keeps_scores({100, 2, false}, /*masked=*/true));
  // What no kernel takes is not worth repeating for.
  EXPECT_FALSE(must_repeat_heads({66, 4, true}, /*masked=*/true));
}

TEST(AttentionKernels, CardsBeforeAmpereHaveNoFlashAttention) {
  const AttentionShape turing{128, 2, true, 75};
  EXPECT_FALSE(flash_takes(turing));
  EXPECT_FALSE(flash_takes_window(turing));
  EXPECT_TRUE(must_repeat_heads(turing, /*masked=*/false));
  EXPECT_FALSE(keeps_scores(turing, /*masked=*/false));
  EXPECT_TRUE(keeps_scores({100, 2, false, 75}, /*masked=*/false));
}

TEST(AttentionKernels, PlansOfCudnnAreForLongSequencesOfOneLength) {
  EXPECT_TRUE(may_use_cudnn(2048, /*has_cache=*/false, /*masked=*/false));
  EXPECT_FALSE(may_use_cudnn(2048, /*has_cache=*/true, /*masked=*/false));
  EXPECT_FALSE(may_use_cudnn(2048, /*has_cache=*/false, /*masked=*/true));
  EXPECT_FALSE(may_use_cudnn(137, /*has_cache=*/false, /*masked=*/false));
}

}  // namespace
}  // namespace sleb
