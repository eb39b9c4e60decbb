#include "sleb/engine/decoder/pinned_pieces.h"

#include <gtest/gtest.h>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

TEST(PinnedPieces, CutsSlabsUpToTheLimit) {
  const c10::InferenceMode guard;
  PinnedPieces pieces(1000, 400);
  const at::Tensor like = at::randn({5, 5});  // 100 bytes
  std::vector<at::Tensor> taken;
  for (int i = 0; i < 10; ++i) taken.push_back(pieces.take(like).fill_(i));
  EXPECT_FALSE(pieces.take(like).defined());
  EXPECT_FALSE(pieces.take(at::randn({2})).defined());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(taken[static_cast<size_t>(i)].sizes(), like.sizes());
    EXPECT_EQ(taken[static_cast<size_t>(i)].min().item<float>(), i);
    EXPECT_EQ(taken[static_cast<size_t>(i)].max().item<float>(), i);
  }
}

TEST(PinnedPieces, HandsOutAgainWhatWasGivenBack) {
  const c10::InferenceMode guard;
  PinnedPieces pieces(200, 200);
  const at::Tensor first = pieces.take(at::randn({50}).to(at::kBFloat16));
  const at::Tensor second = pieces.take(at::randn({5, 10}).to(at::kBFloat16));
  EXPECT_FALSE(pieces.take(at::randn({25})).defined());
  pieces.give_back(first, at::kCPU);
  const at::Tensor third = pieces.take(at::randn({25, 1}));
  EXPECT_EQ(third.data_ptr(), first.data_ptr());
  EXPECT_EQ(third.scalar_type(), at::kFloat);
  EXPECT_NE(third.data_ptr(), second.data_ptr());
}

TEST(PinnedPieces, MayBeLargerThanASlab) {
  const c10::InferenceMode guard;
  PinnedPieces pieces(1000, 100);
  EXPECT_TRUE(pieces.take(at::randn({100})).defined());
}

}  // namespace
}  // namespace sleb
