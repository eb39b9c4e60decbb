#include "sleb/engine/decoder/staging_buffer.h"

#include <ATen/Context.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(StagingBuffer, CopiesInPieces) {
  StagingBuffer staging(64);  // 16 numbers of float32
  for (const int64_t count : {1, 15, 16, 17, 32, 100}) {
    const at::Tensor source = at::arange(count, at::kFloat).view({count, 1});
    const at::Tensor target = at::empty({1, count}, at::kFloat);
    staging.copy(target, source);
    EXPECT_TRUE(target.view(-1).equal(source.view(-1))) << count;
  }
}

TEST(StagingBuffer, ConvertsOnTheWay) {
  StagingBuffer staging(64);
  const at::Tensor source = at::arange(100, at::kFloat).div(7);
  const at::Tensor target = at::empty({200}, at::kBFloat16);
  staging.copy(target.narrow(0, 0, 100), source);
  staging.copy(target.narrow(0, 100, 100), source.to(at::kHalf));
  EXPECT_TRUE(target.narrow(0, 0, 100).equal(source.to(at::kBFloat16)));
  EXPECT_TRUE(target.narrow(0, 100, 100).equal(source.to(at::kHalf).to(at::kBFloat16)));
}

TEST(StagingBuffer, CopiesToAGpu) {
  if (!at::hasCUDA()) GTEST_SKIP() << "needs a CUDA device";
  StagingBuffer staging(int64_t{1} << 20);
  const at::Tensor source = at::arange(int64_t{10} << 20, at::kFloat);
  const at::Tensor target = at::empty({int64_t{20} << 20}, at::TensorOptions().dtype(at::kFloat).device(at::kCUDA));
  staging.copy(target.narrow(0, 0, int64_t{10} << 20), source);
  staging.copy(target.narrow(0, int64_t{10} << 20, int64_t{10} << 20), source.neg());
  EXPECT_TRUE(target.narrow(0, 0, int64_t{10} << 20).cpu().equal(source));
  EXPECT_TRUE(target.narrow(0, int64_t{10} << 20, int64_t{10} << 20).cpu().equal(source.neg()));
}

}  // namespace
}  // namespace sleb
