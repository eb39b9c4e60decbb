#include "sleb/engine/decoder/attention_context.h"

#include <torch/library.h>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/small_checkpoint_for_tests.h"
#include "sleb/engine/decoder/stand_in_gpu_for_tests.h"

namespace sleb {
namespace {

struct Call {
  int64_t query_heads, key_heads;
};
std::vector<Call> calls;  // of libtorch's attention on the stand-in

at::Tensor record_call(const at::Tensor& query, const at::Tensor& key, const at::Tensor&,
                       const std::optional<at::Tensor>&, double, bool, std::optional<double>, bool) {
  calls.push_back({query.size(1), key.size(1)});
  return at::empty(query.sizes(), query.options());
}

class AttentionOnAGpu : public OnAStandInGpu {
 protected:
  // Of four query heads on two of keys and values.
  static std::vector<Call> calls_in(at::ScalarType type) {
    torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
    library.impl("scaled_dot_product_attention", &record_call);
    const c10::InferenceMode guard;
    constexpr int64_t tokens = 16;
    const Compute compute{
        .device = StandInGpu::first, .dtype = type == at::kFloat ? "float32" : "bfloat16", .threads = 1};
    const AttentionContext context(SmallCheckpoint(1).checkpoint().spec(), compute, tokens);
    const auto heads = [&](int64_t count) {
      return at::empty({2, count, tokens, 16}, context.positions().options().dtype(type));
    };
    calls.clear();
    context.attend(0, heads(4), heads(2), heads(2), /*window=*/0);
    return calls;
  }
};

TEST_F(AttentionOnAGpu, NoCausalSegmentIsLeftToTheKernelThatKeepsAllScores) {
  const std::vector<Call> in_float32 = calls_in(at::kFloat);
  ASSERT_EQ(in_float32.size(), 1U);
  EXPECT_EQ(in_float32[0].query_heads, 4);
  EXPECT_EQ(in_float32[0].key_heads, 4);  // the kernel for float32 takes no grouped heads
  const std::vector<Call> in_bfloat16 = calls_in(at::kBFloat16);
  ASSERT_EQ(in_bfloat16.size(), 1U);
  EXPECT_EQ(in_bfloat16[0].key_heads, 2);  // flash attention does
}

}  // namespace
}  // namespace sleb
