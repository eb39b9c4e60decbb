// Kernels of our own for a GPU that computes one token a sequence (decoding_kernels.cu). Each does what the operators
// of libtorch do that it stands for, up to the order of sums, in one launch.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/decoder/cuda_program.h"

namespace sleb {

class DecodingKernels {
 public:
  // Those for tensors like this one: of its device and type, with rows of whole 16 bytes. Compiled when first asked for
  // (half a second). Null where libtorch has to do: on the CPU, of many rows, where NVRTC or the driver refuses, and
  // where the environment says SLEB_CUDA_KERNELS=libtorch.
  static const DecodingKernels* for_rows(const at::Tensor& rows);
  // The same for the product of one row and a matrix [out, in] as it is stored.
  static const DecodingKernels* for_row(const at::Tensor& row, const at::Tensor& matrix);

  // RMS norm of [..., width], as fused_rms_norm; the weight in float32 or in the input's type.
  at::Tensor norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, double eps) const;

  // activation(first half) * second half of [..., 2 * inner]; has_gate says of which, like what.
  static bool has_gate(Activation activation, int64_t inner, const at::Tensor& like);
  at::Tensor gate(const at::Tensor& input, Activation activation) const;

  // Queries, keys and values of one token a sequence, [batch, 1, queries + 2 * kv_heads, head_dim].
  struct Heads {
    at::Tensor all;
    int64_t num_heads, num_kv_heads;
    std::optional<at::Tensor> query_norm = {}, key_norm = {};  // weights [head_dim], of an RMS norm before turning
    double norm_eps = 0;
    at::Tensor cosines = {};  // [1 or batch, ..., head_dim], as RopeTable has them on a GPU; undefined: nothing turns
    at::Tensor sines = {};    // [1 or batch, ..., dims / 2]
    at::Tensor growth = {};   // [1 or batch, ..., 1] of the queries; undefined: none
  };
  // Turns queries and keys; writes keys and values to the cache's rows of this token, [batch, kv_heads, head_dim] with
  // one layout. The queries, [batch, 1, heads, head_dim].
  at::Tensor turn_and_keep(const Heads& heads, const at::Tensor& keys, const at::Tensor& values) const;

  // matrix [out, in] times a row [..., in], plus bias [out]: [..., out].
  at::Tensor product(const at::Tensor& matrix, const std::optional<at::Tensor>& bias, const at::Tensor& row) const;
  // sum += scale * (that).
  void add_product(const at::Tensor& sum, const at::Tensor& matrix, const std::optional<at::Tensor>& bias,
                   const at::Tensor& row, double scale) const;
  // activation(first half) * second half of that.
  at::Tensor gated_product(const at::Tensor& matrix, const std::optional<at::Tensor>& bias, const at::Tensor& row,
                           Activation activation) const;

 private:
  explicit DecodingKernels(const CudaProgram& program);

  CudaProgram::Function norm_, gate_, turn_and_keep_, product_, gated_product_;
};

// For elements of that type and cards of ten times that compute capability; nothing where there is no compiler.
std::optional<CudaCode> compile_decoding_kernels(at::ScalarType element, int64_t capability);

}  // namespace sleb
