#include "sleb/engine/probe.h"

#include <ATen/Context.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/operations.h"

namespace sleb {
namespace {

constexpr int64_t largest_matrix = int64_t{8} << 20;  // elements

// A random matrix has to be there in float32 first, as random numbers are not made in every type.
at::Tensor random(at::IntArrayRef shape, const Compute& compute) {
  return at::randn(shape, at::kFloat).to(tensor_options(compute));
}

// Operations per second of [rows, in] x [in, out], the best of a few.
double rate_of_product(int64_t rows, int64_t in, int64_t out, const Compute& compute) {
  out = std::clamp<int64_t>(out, 1, std::max<int64_t>(1, largest_matrix / in));
  const Linear linear(random({out, in}, compute), std::nullopt);
  const at::Tensor input = random({rows, in}, compute);
  const auto compute_once = [&] { linear(input).narrow(0, 0, 1).cpu(); };  // waits for a GPU too
  compute_once();
  double best = std::numeric_limits<double>::infinity();
  const auto begin = std::chrono::steady_clock::now();
  do {
    const auto start = std::chrono::steady_clock::now();
    compute_once();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  } while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(300));
  return 2 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out) / best;
}

}  // namespace

void warm_up(const Compute& compute) {
  const c10::InferenceMode guard;
  const Linear linear(random({256, 64}, compute), std::nullopt);
  const at::Tensor heads = linear(random({512, 64}, compute)).view({1, 512, 4, 64}).transpose(1, 2);
  at::scaled_dot_product_attention(heads, heads.narrow(1, 0, 2), heads.narrow(1, 0, 2), {}, 0.0, /*is_causal=*/true, {},
                                   /*enable_gqa=*/true);
  at::_log_softmax(at::silu(heads).to(at::kFloat), -1, /*half_to_float=*/false).cpu();
}

Rates probe_rates(const ModelSpec& spec, const Compute& compute) {
  const c10::InferenceMode guard;
  const int64_t up = spec.intermediate_size * (spec.mlp == MlpKind::gated ? 2 : 1);
  return {rate_of_product(compute.device == "cpu" ? mlp_rows_cpu : 2048, spec.hidden_size, up, compute),
          rate_of_product(std::min<int64_t>(128, head_slice_rows(spec, compute)), spec.embedding_size,
                          spec.vocabulary_size, compute)};
}

}  // namespace sleb
