#include "sleb/engine/decoder/decoding_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoding_kernels_source.h"
#include "sleb/engine/decoder/graphics_card.h"

namespace sleb {
namespace {

constexpr int64_t most_rows = 128;  // from there on libtorch's kernels have enough to do
constexpr uint64_t pack_bytes = 16;
constexpr unsigned warp = 32;

bool wants_libtorch() {
  const char* chosen = std::getenv("SLEB_CUDA_KERNELS");
  return chosen != nullptr && std::string_view(chosen) == "libtorch";
}

bool has_kernels(at::ScalarType type) {
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

bool has_whole_packs(int64_t width, const at::Tensor& like) {
  return static_cast<uint64_t>(width) * like.element_size() % pack_bytes == 0;
}

bool begins_a_pack(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % pack_bytes == 0;
}

int64_t rows_of(const at::Tensor& tensor) {
  return tensor.numel() / tensor.size(-1);
}

unsigned blocks_for(int64_t items, int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

at::Tensor empty_with(const at::Tensor& like, int64_t width) {
  std::vector<int64_t> shape = like.sizes().vec();
  shape.back() = width;
  return at::empty(shape, like.options());
}

// Null of what there is not.
const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

const void* pointer(const std::optional<at::Tensor>& tensor) {
  return tensor ? tensor->const_data_ptr() : nullptr;
}

int is_float(const std::optional<at::Tensor>& tensor) {
  return tensor && tensor->scalar_type() == at::kFloat ? 1 : 0;
}

// From one sequence's row of a table to the next one's.
long long stride_of(const at::Tensor& table) {
  return table.defined() && table.size(0) > 1 ? table.stride(0) : 0;
}

// Threads for `packs` of 16 bytes each: whole warps.
unsigned threads_for(int64_t packs, unsigned most) {
  return std::min(most, blocks_for(packs, warp) * warp);
}

// Of a product of that many rows; decoding_kernels.cu's rows_of_block.
CudaProgram::Size size_for(const at::Tensor& matrix, int64_t rows, int64_t rows_of_block = 4) {
  const auto packs = matrix.size(1) * matrix.element_size() / static_cast<int64_t>(pack_bytes);
  return {blocks_for(rows, rows_of_block), threads_for(packs, 256)};
}

// As decoding_kernels.cu has them.
std::optional<int> number_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return 0;
    case Activation::gelu:
      return 1;
    case Activation::gelu_tanh:
      return 2;
    default:
      return {};
  }
}

}  // namespace

DecodingKernels::DecodingKernels(const CudaProgram& program)
    : norm_(program.function("norm_rows")),
      gate_(program.function("gate_rows")),
      turn_and_keep_(program.function("turn_and_keep")),
      product_(program.function("row_product")),
      gated_product_(program.function("gated_row_product")) {}

std::optional<CudaCode> compile_decoding_kernels(at::ScalarType element, int64_t capability) {
  const int number = element == at::kFloat ? 0 : element == at::kHalf ? 1 : 2;
  const std::vector<std::string> options = {"--std=c++17", fmt::format("-DSLEB_ELEMENT={}", number),
                                            fmt::format("--gpu-architecture=sm_{}", capability)};
  return compile_cuda(std::string(decoding_kernels_source), options);
}

const DecodingKernels* DecodingKernels::for_rows(const at::Tensor& rows) {
  if (!rows.is_cuda() || rows_of(rows) > most_rows || !has_kernels(rows.scalar_type()) ||
      !has_whole_packs(rows.size(-1), rows) || !begins_a_pack(rows)) {
    return nullptr;
  }
  static std::mutex mutex;
  static std::map<std::pair<c10::DeviceIndex, at::ScalarType>, std::optional<DecodingKernels>> all;
  const std::lock_guard lock(mutex);
  const auto [place, is_new] = all.try_emplace({rows.device().index(), rows.scalar_type()});
  std::optional<DecodingKernels>& kernels = place->second;
  if (is_new && !wants_libtorch()) {
    const auto code = compile_decoding_kernels(rows.scalar_type(), capability_of_card(rows.device().index()));
    const auto program = code ? CudaProgram::load(*code, rows.device()) : std::nullopt;
    if (program) kernels = DecodingKernels(*program);
  }
  return kernels ? &*kernels : nullptr;
}

const DecodingKernels* DecodingKernels::for_row(const at::Tensor& row, const at::Tensor& matrix) {
  const bool is_one = row.numel() == row.size(-1) && row.is_contiguous() && matrix.is_contiguous() &&
                      row.scalar_type() == matrix.scalar_type() && row.is_cuda() && begins_a_pack(matrix);
  return is_one ? for_rows(row) : nullptr;
}

at::Tensor DecodingKernels::norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, double eps) const {
  const int64_t width = input.size(-1);
  const at::Tensor rows = input.reshape({-1, width});
  at::Tensor output = at::empty(input.sizes(), input.options());
  const auto packs = width * input.element_size() / static_cast<int64_t>(pack_bytes);
  norm_({static_cast<unsigned>(rows.size(0)), threads_for(packs, 1024)}, output.mutable_data_ptr(),
        rows.const_data_ptr(), pointer(weight), is_float(weight), static_cast<long long>(width),
        static_cast<long long>(rows.stride(0)), static_cast<float>(eps));
  return output;
}

bool DecodingKernels::has_gate(Activation activation, int64_t inner, const at::Tensor& like) {
  return number_of(activation) && has_whole_packs(inner, like);
}

at::Tensor DecodingKernels::gate(const at::Tensor& input, Activation activation) const {
  const int64_t inner = input.size(-1) / 2;
  const int64_t rows = rows_of(input);
  at::Tensor output = empty_with(input, inner);
  constexpr unsigned threads = 256;
  const auto pack = static_cast<int64_t>(pack_bytes / input.element_size());
  gate_({blocks_for(rows * (inner / pack), threads), threads}, output.mutable_data_ptr(), input.const_data_ptr(),
        static_cast<long long>(rows), static_cast<long long>(inner), *number_of(activation));
  return output;
}

at::Tensor DecodingKernels::turn_and_keep(const Heads& heads, const at::Tensor& keys, const at::Tensor& values) const {
  const int64_t batch = heads.all.size(0);
  const auto head_dim = static_cast<unsigned>(heads.all.size(3));
  const unsigned threads = blocks_for(head_dim, warp) * warp;
  at::Tensor queries = at::empty({batch, 1, heads.num_heads, heads.all.size(3)}, heads.all.options());
  const auto half = heads.sines.defined() ? static_cast<int>(heads.sines.size(-1)) : 0;
  turn_and_keep_({.blocks = static_cast<unsigned>(heads.num_heads + 2 * heads.num_kv_heads),
                  .threads = threads,
                  .blocks_y = static_cast<unsigned>(batch),
                  .shared_bytes = threads * static_cast<unsigned>(sizeof(float))},
                 queries.mutable_data_ptr(), keys.mutable_data_ptr(), values.mutable_data_ptr(),
                 heads.all.const_data_ptr(), pointer(heads.cosines), pointer(heads.sines), pointer(heads.growth),
                 pointer(heads.query_norm), pointer(heads.key_norm), is_float(heads.query_norm),
                 static_cast<float>(heads.norm_eps), static_cast<int>(heads.num_heads),
                 static_cast<int>(heads.num_kv_heads), static_cast<int>(head_dim), half, stride_of(heads.cosines),
                 stride_of(heads.sines), stride_of(heads.growth), static_cast<long long>(keys.stride(0)),
                 static_cast<long long>(keys.stride(1)));
  return queries;
}

at::Tensor DecodingKernels::product(const at::Tensor& matrix, const std::optional<at::Tensor>& bias,
                                    const at::Tensor& row) const {
  at::Tensor output = empty_with(row, matrix.size(0));
  product_(size_for(matrix, matrix.size(0)), output.mutable_data_ptr(), matrix.const_data_ptr(), row.const_data_ptr(),
           pointer(bias), static_cast<long long>(matrix.size(0)), static_cast<long long>(matrix.size(1)), 1.0F,
           /*adds=*/0);
  return output;
}

void DecodingKernels::add_product(const at::Tensor& sum, const at::Tensor& matrix,
                                  const std::optional<at::Tensor>& bias, const at::Tensor& row, double scale) const {
  product_(size_for(matrix, matrix.size(0)), sum.mutable_data_ptr(), matrix.const_data_ptr(), row.const_data_ptr(),
           pointer(bias), static_cast<long long>(matrix.size(0)), static_cast<long long>(matrix.size(1)),
           static_cast<float>(scale), /*adds=*/1);
}

at::Tensor DecodingKernels::gated_product(const at::Tensor& matrix, const std::optional<at::Tensor>& bias,
                                          const at::Tensor& row, Activation activation) const {
  const int64_t inner = matrix.size(0) / 2;
  at::Tensor output = empty_with(row, inner);
  gated_product_(size_for(matrix, inner, 2), output.mutable_data_ptr(), matrix.const_data_ptr(), row.const_data_ptr(),
                 pointer(bias), static_cast<long long>(inner), static_cast<long long>(matrix.size(1)),
                 *number_of(activation));
  return output;
}

}  // namespace sleb
