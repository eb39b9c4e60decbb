#include "sleb/engine/decoder/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoding_kernels.h"

namespace sleb {
namespace {

// oneDNN's linear on a packed weight, which libtorch has for its compiler: on CPUs 1.1 to 1.8 times as fast in float32
// as at::linear, which lays the weight out anew in every call (bench/linear.py). The weight's plain copy is not kept.
using PackWeight = at::Tensor(const at::Tensor&, std::optional<int64_t>);
using PackedLinear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                std::string_view, c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);

template <typename Signature>
std::optional<c10::TypedOperatorHandle<Signature>> find_operator(const char* name) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
  return found->typed<Signature>();
}

const auto& pack_weight() {
  static const auto found = find_operator<PackWeight>("mkldnn::_reorder_linear_weight");
  return found;
}

const auto& packed_linear() {
  static const auto found = find_operator<PackedLinear>("mkldnn::_linear_pointwise");
  return found;
}

// oneDNN packs bfloat16 for processors alone that multiply it (AVX-512, or AVX2 with VNNI 2): what it refuses, tried
// once, is left to at::linear.
bool can_pack(at::ScalarType type) {
  if (!pack_weight() || !packed_linear()) return false;
  if (type != at::kBFloat16) return type == at::kFloat;
  static const bool bfloat16 = [] {
    try {
      pack_weight()->call(at::zeros({32, 32}, at::kBFloat16), std::nullopt);
      return true;
    } catch (const c10::Error&) {
      return false;
    }
  }();
  return bfloat16;
}

}  // namespace

Linear::Linear(const at::Tensor& weight, std::optional<at::Tensor> bias) : weight_(weight), bias_(std::move(bias)) {
  if (!weight.is_cpu()) transposed_ = weight.t();
  if (!weight.is_cpu() || !can_pack(weight.scalar_type())) return;
  weight_ = pack_weight()->call(weight, std::nullopt);
  packed_ = true;
}

Linear::Linear(Int4Matrix weight, std::optional<at::Tensor> bias)
    : weight_(std::move(weight.codes)),
      bias_(std::move(bias)),
      scales_and_zeros_(std::move(weight.scales_and_zeros)),
      group_(weight.group) {}

// Of prompts too: of 32 rows it is 2 to 3 times as fast as at::linear in bfloat16 (bench/packed_decoding.py).
at::Tensor Linear::of_int4(const at::Tensor& input) const {
  const at::Tensor rows = input.reshape({-1, input.size(-1)}).contiguous();
  at::Tensor output = at::_weight_int4pack_mm_for_cpu(rows, weight_, group_, scales_and_zeros_);
  if (bias_) output.add_(*bias_);
  if (input.dim() == 2) return output;
  return output.view({input.size(0), input.size(1), output.size(1)});
}

// Of a GPU's few microseconds a token and product at::linear spends several on looking at shapes.
at::Tensor Linear::on_gpu(const at::Tensor& input) const {
  if (const auto* kernels = DecodingKernels::for_row(input, weight_)) return kernels->product(weight_, bias_, input);
  const at::Tensor rows = input.reshape({-1, input.size(-1)});
  at::Tensor output = bias_ ? at::addmm(*bias_, rows, transposed_) : at::mm(rows, transposed_);
  if (input.dim() == 2) return output;
  return output.view({input.size(0), input.size(1), output.size(1)});
}

at::Tensor Linear::operator()(const at::Tensor& input) const {
  if (transposed_.defined()) return on_gpu(input);
  if (group_ > 0) return of_int4(input);
  if (!packed_) return at::linear(input, weight_, bias_);
  return packed_linear()->call(input, weight_, bias_, "none", c10::List<std::optional<at::Scalar>>(), "");
}

void Linear::add_to(const at::Tensor& sum, const at::Tensor& input, double scale) const {
  if (const auto* kernels = DecodingKernels::for_row(input, weight_)) {
    kernels->add_product(sum, weight_, bias_, input, scale);
  } else if (sum.is_cpu() || bias_) {
    sum.add_((*this)(input), scale);
  } else {
    add_product(sum, input, transposed_, scale);
  }
}

std::optional<at::Tensor> Linear::gated_row(const at::Tensor& row, Activation activation) const {
  const auto* kernels = DecodingKernels::for_row(row, weight_);
  if (kernels == nullptr || !DecodingKernels::has_gate(activation, weight_.size(0) / 2, row)) return {};
  return kernels->gated_product(weight_, bias_, row, activation);
}

void add_product(const at::Tensor& sum, const at::Tensor& input, const at::Tensor& matrix, double scale) {
  sum.view({-1, sum.size(-1)}).addmm_(input.reshape({-1, input.size(-1)}), matrix, /*beta=*/1, scale);
}

}  // namespace sleb
