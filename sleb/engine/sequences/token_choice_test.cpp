#include "sleb/engine/sequences/token_choice.h"

#include <gtest/gtest.h>

#include <random>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

std::vector<double> shares(size_t count, std::mt19937_64& random) {
  std::vector<double> numbers(count);
  for (double& number : numbers) number = std::uniform_real_distribution<double>(0, 1)(random);
  return numbers;
}

TEST(TokenChoice, DrawsTheSameOnHostAndDevice) {
  const c10::InferenceMode guard;
  const at::Tensor sums = at::_softmax(at::randn({64, 50}).to(at::kDouble).mul_(2), -1, false).cumsum(-1);
  std::mt19937_64 random(7);
  for (int step = 0; step < 20; ++step) {
    const std::vector<double> drawn = shares(64, random);
    const at::Tensor ids = draw_on_host(sums, drawn);
    EXPECT_TRUE(ids.equal(draw_on_device(sums, drawn)));
    EXPECT_EQ(ids.sizes(), at::IntArrayRef({64}));
  }
}

TEST(TokenChoice, DrawsNoTokenThatIsImpossible) {
  const c10::InferenceMode guard;
  const at::Tensor probabilities = at::zeros({1, 5}, at::kDouble);
  probabilities.select(1, 1).fill_(0.25);
  probabilities.select(1, 3).fill_(0.75);
  const at::Tensor sums = probabilities.cumsum(-1);
  std::mt19937_64 random(3);
  int64_t threes = 0;
  for (int step = 0; step < 400; ++step) {
    const auto id = draw_on_device(sums, shares(1, random)).item<int64_t>();
    ASSERT_TRUE(id == 1 || id == 3) << id;
    threes += id == 3 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(threes), 300, 45);  // five standard deviations
}

TEST(TokenChoice, TemperatureZeroTakesTheLikeliest) {
  const c10::InferenceMode guard;
  const at::Tensor logits = at::zeros({2, 4});
  logits.select(0, 0).select(0, 2).fill_(1);
  logits.select(0, 1).select(0, 3).fill_(1);
  const at::Tensor ids = TokenChoice(0, {})(logits);
  EXPECT_EQ(ids.select(0, 0).item<int64_t>(), 2);
  EXPECT_EQ(ids.select(0, 1).item<int64_t>(), 3);
}

}  // namespace
}  // namespace sleb
