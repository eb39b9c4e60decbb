#include "sleb/engine/decoder/decoding_kernels.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/norm.h"
#include "sleb/engine/decoder/rope.h"

namespace sleb {
namespace {

const std::vector<at::ScalarType> types = {at::kFloat, at::kHalf, at::kBFloat16};

// From Turing to Blackwell.
TEST(DecodingKernels, CompileForEveryCard) {
  for (const int64_t capability : {75, 80, 89, 90, 100, 120}) {
    for (const at::ScalarType type : types) {
      const auto code = compile_decoding_kernels(type, capability);
      if (!code) GTEST_SKIP() << "needs NVRTC (libnvrtc.so.13 in LD_LIBRARY_PATH)";
      EXPECT_FALSE(code->bytes.empty()) << capability << ": " << code->log;
    }
  }
}

TEST(CudaCode, SaysWhatTheCompilerRefuses) {
  const std::vector<std::string> options;
  const auto code = compile_cuda("this is no CUDA", options);
  if (!code) GTEST_SKIP() << "needs NVRTC";
  EXPECT_TRUE(code->bytes.empty());
  EXPECT_NE(code->log.find("error"), std::string::npos);
}

// Against libtorch's operators on the same device, in float32, of what the elements of each type are.
class OnGpu : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "needs a GPU";
    kernels = DecodingKernels::for_rows(random({1, 64}));
    ASSERT_NE(kernels, nullptr);
  }

  static at::Tensor random(at::IntArrayRef shape) {
    return at::randn(shape, at::TensorOptions().device(at::kCUDA)).to(GetParam());
  }

  // Of numbers of about 1 that were rounded `roundings` times to the elements' type.
  static void expect_close(const at::Tensor& found, const at::Tensor& expected, double roundings = 1) {
    const double unit = GetParam() == at::kFloat ? 3e-6 : GetParam() == at::kHalf ? 1.0 / 2048 : 1.0 / 256;
    const at::Tensor difference = found.to(at::kFloat).sub(expected).abs();
    const at::Tensor allowed = expected.abs().add(GetParam() == at::kFloat ? 1 : 0.01).mul(unit * roundings);
    EXPECT_EQ(found.sizes(), expected.sizes());
    EXPECT_TRUE(difference.le(allowed).all().item<bool>())
        << difference.max().item<float>() << " of " << expected.abs().max().item<float>();
  }

  const DecodingKernels* kernels = nullptr;
};

TEST_P(OnGpu, Norm) {
  const c10::InferenceMode guard;
  for (const int64_t width : {64, 4096, 4104, 12288}) {
    const at::Tensor rows = random({3, 2, width}), weight = random({width});
    const at::Tensor wide = rows.to(at::kFloat), wide_weight = weight.to(at::kFloat);
    expect_close(kernels->norm(rows, weight, 1e-5), rms_norm(wide, wide_weight, 1e-5));
    expect_close(kernels->norm(rows, wide_weight, 1e-5), rms_norm(wide, wide_weight, 1e-5));
    expect_close(kernels->norm(rows, {}, 1e-5), rms_norm(wide, {}, 1e-5));
    expect_close(kernels->norm(rows.select(1, 1), weight, 1e-5), rms_norm(wide.select(1, 1), wide_weight, 1e-5));
  }
}

TEST_P(OnGpu, Gate) {
  const c10::InferenceMode guard;
  const at::Tensor rows = random({5, 272});
  const auto halves = rows.to(at::kFloat).chunk(2, -1);
  expect_close(kernels->gate(rows, Activation::silu), at::silu(halves[0]).mul(halves[1]), 2);
  expect_close(kernels->gate(rows, Activation::gelu), at::gelu(halves[0]).mul(halves[1]), 2);
  expect_close(kernels->gate(rows, Activation::gelu_tanh), at::gelu(halves[0], "tanh").mul(halves[1]), 2);
  EXPECT_TRUE(DecodingKernels::has_gate(Activation::silu, 136, rows));
  EXPECT_FALSE(DecodingKernels::has_gate(Activation::silu, 137, rows));
  EXPECT_FALSE(DecodingKernels::has_gate(Activation::relu_squared, 136, rows));
}

TEST_P(OnGpu, Products) {
  const c10::InferenceMode guard;
  for (const int64_t width : {64, 576, 4096, 11008}) {
    const at::Tensor matrix = random({130, width}).div(std::sqrt(static_cast<double>(width)));
    const at::Tensor row = random({1, 1, width}), bias = random({130}), sum = random({1, 1, 130});
    const at::Tensor wide = at::linear(row.to(at::kFloat), matrix.to(at::kFloat), bias.to(at::kFloat));
    expect_close(kernels->product(matrix, bias, row), wide);
    const at::Tensor added = sum.to(at::kFloat).add(wide, 0.25);
    kernels->add_product(sum, matrix, bias, row, 0.25);
    expect_close(sum, added);
    const auto halves = wide.chunk(2, -1);
    expect_close(kernels->gated_product(matrix, bias, row, Activation::silu), at::silu(halves[0]).mul(halves[1]), 4);
  }
}

// Of heads narrower than a warp, of several warps, and of no whole number of them.
TEST_P(OnGpu, TurnAndKeep) {
  const c10::InferenceMode guard;
  for (const int64_t head_dim : {24, 80, 128}) {
    const int64_t batch = 3, queries = 4, keys = 2, half = head_dim / 4;  // half of the dimensions turn
    const at::Tensor heads = random({batch, 1, queries + 2 * keys, head_dim});
    const at::Tensor angles = at::randn({batch, 1, 1, half}, at::TensorOptions().device(at::kCUDA));
    const at::Tensor cosine = angles.cos().to(GetParam()), sines = angles.sin().to(GetParam());
    const at::Tensor rest = at::ones({batch, 1, 1, head_dim - 2 * half}, heads.options());
    const at::Tensor cosines = at::cat({cosine, cosine, rest}, -1);
    const at::Tensor room = at::zeros({2, batch, keys, 7, head_dim}, heads.options());
    const at::Tensor kept_keys = room[0].select(2, 5), kept_values = room[1].select(2, 5);
    const at::Tensor wide = heads.to(at::kFloat);
    const auto expected = [&](const at::Tensor& of) {
      return turned(of, cosines.to(at::kFloat), sines.to(at::kFloat));
    };
    DecodingKernels::Heads given{
        .all = heads, .num_heads = queries, .num_kv_heads = keys, .cosines = cosines, .sines = sines};
    expect_close(kernels->turn_and_keep(given, kept_keys, kept_values), expected(wide.narrow(2, 0, queries)));
    expect_close(kept_keys, expected(wide.narrow(2, queries, keys)).select(1, 0));
    EXPECT_TRUE(kept_values.equal(heads.select(1, 0).narrow(1, queries + keys, keys)));
    EXPECT_EQ(room.select(3, 4).abs().max().item<float>(), 0);
    EXPECT_EQ(room.select(3, 6).abs().max().item<float>(), 0);

    given.query_norm = random({head_dim});
    given.key_norm = random({head_dim});
    given.norm_eps = 1e-6;
    const auto normed = [&](const at::Tensor& of, const at::Tensor& weight) {
      return expected(rms_norm(of, weight.to(at::kFloat), 1e-6));
    };
    // A sum of two rounded products may cancel: the allowance is one of numbers of about 1.
    const auto near = [&](const at::Tensor& found, const at::Tensor& all) {
      const double unit = GetParam() == at::kFloat ? 1e-5 : GetParam() == at::kHalf ? 1.0 / 256 : 1.0 / 32;
      EXPECT_LT(found.to(at::kFloat).sub(all).abs().max().item<double>(), unit * 3);
    };
    near(kernels->turn_and_keep(given, kept_keys, kept_values), normed(wide.narrow(2, 0, queries), *given.query_norm));
    near(kept_keys, normed(wide.narrow(2, queries, keys), *given.key_norm).select(1, 0));

    const DecodingKernels::Heads unturned{.all = heads, .num_heads = queries, .num_kv_heads = keys};
    EXPECT_TRUE(kernels->turn_and_keep(unturned, kept_keys, kept_values).equal(heads.narrow(2, 0, queries)));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, OnGpu, testing::ValuesIn(types));

TEST(DecodingKernels, AreForFewRowsOfAGpu) {
  EXPECT_EQ(DecodingKernels::for_rows(at::zeros({1, 64})), nullptr);
}

}  // namespace
}  // namespace sleb
