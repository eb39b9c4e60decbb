#include "sleb/engine/decoder/rope.h"

#include <gtest/gtest.h>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

constexpr int64_t batch = 2, tokens = 7, heads = 5, head_dim = 16;

// The first heads of more, as those of query and key stand before those of value.
at::Tensor some_heads() {
  return at::randn({batch, tokens, heads + 2, head_dim}).narrow(2, 0, heads);
}

TEST(Rope, BothWaysTurnAlike) {
  const c10::InferenceMode guard;
  for (const int64_t rows : {int64_t{1}, batch}) {
    const at::Tensor angles = at::randn({rows, tokens, 1, head_dim / 2}).mul_(10);
    const at::Tensor cos = angles.cos(), sin = angles.sin();
    const at::Tensor given = some_heads();
    const at::Tensor result = turned(given, at::cat({cos, cos}, -1), sin);
    EXPECT_EQ(result.stride(-1), 1);
    turn_in_place(given, cos, sin);
    // Values of about 1 in float32; whether a product is rounded before it is added may differ.
    EXPECT_LT(result.sub(given).abs().max().item<float>(), 1e-6F);
  }
}

// As a GPU does it and the CPU, of heads of which the first eight dimensions turn.
TEST(Rope, TheRestOfAHeadStays) {
  const c10::InferenceMode guard;
  const at::Tensor angles = at::randn({batch, 1, 1, 4}).mul_(10);
  const at::Tensor cos = angles.cos(), sin = angles.sin();
  const at::Tensor wide_cos = at::cat({cos, cos, at::ones({batch, 1, 1, head_dim - 8})}, -1);
  const at::Tensor given = some_heads().narrow(1, 3, 1);
  const at::Tensor result = turned(given, wide_cos, sin);
  EXPECT_TRUE(result.narrow(-1, 8, head_dim - 8).equal(given.narrow(-1, 8, head_dim - 8)));
  turn_in_place(given, cos, sin);
  EXPECT_LT(result.sub(given).abs().max().item<float>(), 1e-6F);
}

TEST(Rope, RowsOfATableAreThoseOfItsPositions) {
  const c10::InferenceMode guard;
  ModelSpec spec;
  spec.head_dim = head_dim;
  const RopeSpec rope{.dims = head_dim};
  const Compute compute{"cpu", "float32", 1};
  const RopeTable whole(spec, rope, compute, at::arange(40), 40);
  const at::Tensor positions = at::arange(tokens).add(at::arange(batch).mul(20).unsqueeze(1));
  const auto difference = [&](const RopeTable& one, const RopeTable& other) {
    const at::Tensor given = some_heads();
    const at::Tensor copy = given.clone();
    return one.apply(given).sub(other.apply(copy)).abs().max().item<float>();
  };
  EXPECT_LT(difference(whole.rows(positions), RopeTable(spec, rope, compute, positions, 40)), 1e-6F);
  const at::Tensor one_position = at::zeros({1, 1}, at::kLong).add(30);
  EXPECT_LT(difference(whole.row(30), RopeTable(spec, rope, compute, one_position, 40)), 1e-6F);
  EXPECT_GT(difference(whole.row(30), whole.row(31)), 1e-3F);
}

}  // namespace
}  // namespace sleb
