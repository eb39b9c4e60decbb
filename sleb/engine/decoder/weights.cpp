#include "sleb/engine/decoder/weights.h"

#include <algorithm>
#include <utility>

#include "sleb/checkpoint/row_order.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/own_pages.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plans/packed_weights.h"

namespace sleb {
namespace {

std::optional<at::ScalarType> plain_type(StoredType type) {
  switch (type) {
    case StoredType::f32:
      return at::kFloat;
    case StoredType::f16:
      return at::kHalf;
    case StoredType::bf16:
      return at::kBFloat16;
    default:
      return {};
  }
}

bool is_aligned(Bytes data, at::ScalarType type) {
  return reinterpret_cast<uintptr_t>(data.data()) % at::elementSize(type) == 0;
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, const Compute& compute)
    : checkpoint_(&checkpoint),
      compute_(compute),
      staging_(device_of(compute).is_cpu() ? nullptr : std::make_shared<StagingBuffer>()) {}

void WeightLoader::copy_to(const at::Tensor& target, const at::Tensor& source) const {
  staging_ ? staging_->copy(target, source) : void(target.copy_(source));
}

void WeightLoader::read(const std::string& name, const at::Tensor& target) const {
  const StoredTensor& stored = checkpoint_->tensor(name);
  const auto type = plain_type(stored.type);
  if (type && is_aligned(stored.data, *type) && !checkpoint_->is_gguf()) {
    // The mapped file itself. from_blob takes no pointer to const; nothing writes through it.
    copy_to(target, at::from_blob(const_cast<std::byte*>(stored.data.data()), stored.shape, *type));
  } else {
    const at::Tensor decoded = empty_on_own_pages(stored.shape, at::kFloat);
    checkpoint_->read(name, {decoded.mutable_data_ptr<float>(), static_cast<size_t>(decoded.numel())});
    copy_to(target, decoded);
  }
  checkpoint_->release(name);
}

at::Tensor WeightLoader::joined(std::span<const TensorShape> tensors) const {
  const bool transposed = checkpoint_->spec().transposed_matrices && tensors[0].shape.size() == 2;
  const size_t out = transposed ? 1 : 0;
  std::vector<int64_t> shape = tensors[0].shape;
  if (transposed) std::swap(shape[0], shape[1]);
  for (const TensorShape& tensor : tensors.subspan(1)) shape[0] += tensor.shape[out];
  at::Tensor result = empty_on_own_pages(shape, tensor_options(compute_));
  int64_t begin = 0;
  for (const TensorShape& tensor : tensors) {
    const int64_t rows = tensor.shape[out];
    const at::Tensor place = result.narrow(0, begin, rows);
    if (transposed) {
      const at::Tensor stored = empty_on_own_pages(tensor.shape, tensor_options(compute_));
      read(tensor.name, stored);
      place.copy_(stored.t());
    } else {
      read(tensor.name, place);
    }
    begin += rows;
  }
  return result;
}

at::Tensor WeightLoader::reordered(at::Tensor tensor, int64_t dimension, const std::vector<int64_t>& order) const {
  if (order.empty()) return tensor;
  const at::Tensor index = at::empty({static_cast<int64_t>(order.size())}, at::kLong);
  std::ranges::copy(order, index.mutable_data_ptr<int64_t>());
  at::Tensor result = empty_on_own_pages(tensor.sizes(), tensor.options());
  at::index_select_out(result, tensor, dimension, index.to(tensor.device()));
  tensor.reset();  // before the caller makes a third
  return result;
}

at::Tensor WeightLoader::weight(std::string_view name) const {
  const std::string whole = std::string(name) + ".weight";
  at::Tensor result = empty_on_own_pages(checkpoint_->tensor(whole).shape, tensor_options(compute_));
  read(whole, result);
  return result;
}

at::Tensor WeightLoader::bias(std::string_view name) const {
  const std::string whole = std::string(name) + ".bias";
  at::Tensor result = empty_on_own_pages(checkpoint_->tensor(whole).shape, tensor_options(compute_));
  read(whole, result);
  return result;
}

at::Tensor WeightLoader::in_compute_type(const std::string& name) const {
  at::Tensor result = at::empty(checkpoint_->tensor(name).shape, tensor_options(compute_));
  read(name, result);
  return result;
}

at::Tensor WeightLoader::in_float32(const std::string& name) const {
  at::Tensor result = at::empty(checkpoint_->tensor(name).shape, tensor_options(compute_).dtype(at::kFloat));
  read(name, result);
  return result;
}

Int4Matrix WeightLoader::int4(std::span<const TensorShape> matrices, const std::vector<int64_t>& order,
                              int64_t group) const {
  constexpr int64_t rows_at_a_time = 256;  // that the kernel's order takes apart from each other
  int64_t rows = 0;
  for (const TensorShape& matrix : matrices) rows += matrix.shape[0];
  const int64_t columns = matrices[0].shape[1];
  at::Tensor codes = empty_on_own_pages({rows, columns}, at::TensorOptions().dtype(at::kByte));
  at::Tensor scales = at::empty({rows, columns / group}, at::kFloat),
             offsets = at::empty(scales.sizes(), scales.options());
  int64_t begin = 0;
  for (const TensorShape& matrix : matrices) {
    const int64_t own = matrix.shape[0], stored_group = checkpoint_->int4_group(matrix.name);
    const at::Tensor own_scales = at::empty({own, columns / stored_group}, at::kFloat);
    const at::Tensor own_offsets = at::empty(own_scales.sizes(), own_scales.options());
    const auto span_of = [](const at::Tensor& floats) {
      return std::span(floats.mutable_data_ptr<float>(), static_cast<size_t>(floats.numel()));
    };
    const Int4Rows target = {
        .codes = {codes.mutable_data_ptr<uint8_t>() + begin * columns, static_cast<size_t>(own * columns)},
        .scales = span_of(own_scales),
        .offsets = span_of(own_offsets)};
    checkpoint_->read_int4(matrix.name, target);
    checkpoint_->release(matrix.name);
    scales.narrow(0, begin, own).copy_(own_scales.repeat_interleave(stored_group / group, 1));
    offsets.narrow(0, begin, own).copy_(own_offsets.repeat_interleave(stored_group / group, 1));
    begin += own;
  }
  codes = reordered(std::move(codes), 0, order);
  scales = reordered(std::move(scales), 0, order);
  const at::Tensor zeros = reordered(std::move(offsets), 0, order).add_(scales, 8);
  Int4Matrix matrix{.codes = empty_on_own_pages({rows, columns / 2}, codes.options()),
                    .scales_and_zeros = at::stack({scales.t(), zeros.t()}, -1).to(at::kBFloat16),
                    .group = group};
  for (int64_t first = 0; first < rows; first += rows_at_a_time) {
    const int64_t count = std::min(rows_at_a_time, rows - first);
    const at::Tensor part = codes.narrow(0, first, count).to(at::kInt);
    matrix.codes.narrow(0, first, count).copy_(at::_convert_weight_to_int4pack_for_cpu(part, /*innerKTiles=*/1));
  }
  return matrix;
}

Linear WeightLoader::linear(std::span<const TensorShape> matrices, const std::vector<int64_t>& order,
                            std::optional<at::Tensor> bias) const {
  const auto group_of = [&](const std::string& name) { return checkpoint_->int4_group(name); };
  const int64_t group = compute_.packed_weights ? packed_group(matrices, group_of) : 0;
  if (group > 0) return {int4(matrices, order, group), std::move(bias)};
  return {reordered(joined(matrices), 0, order), std::move(bias)};
}

Linear WeightLoader::of_whole(std::string_view name, std::optional<at::Tensor> bias) const {
  const std::string whole = std::string(name) + ".weight";
  const int64_t group = compute_.packed_weights ? checkpoint_->int4_group(whole) : 0;
  if (group == 0) return {weight(name), std::move(bias)};
  const TensorShape matrix[] = {{whole, checkpoint_->tensor(whole).shape}};
  return linear(matrix, {}, std::move(bias));
}

Linear WeightLoader::fused(int64_t block, std::initializer_list<Part> parts) const {
  const ModelSpec& spec = checkpoint_->spec();
  const std::vector<int64_t> order = stored_rows(spec, parts);
  std::optional<at::Tensor> bias;
  if (const auto biases = spec.stored_biases(block, parts); !biases.empty()) bias = reordered(joined(biases), 0, order);
  return linear(spec.stored_weights(block, parts), order, std::move(bias));
}

Linear WeightLoader::of_expert(int64_t block, int64_t expert, std::initializer_list<Part> parts) const {
  const ModelSpec& spec = checkpoint_->spec();
  if (spec.experts.stacked) return of_stacked_expert(block, expert, parts);
  std::optional<at::Tensor> bias;
  if (spec.experts.biases) bias = joined(spec.expert_biases(block, expert, parts));
  return linear(spec.expert_weights(block, expert, parts), {}, std::move(bias));
}

at::Tensor WeightLoader::of_stack(const std::string& name, int64_t place) const {
  const StoredTensor& stored = checkpoint_->tensor(name);
  const std::vector<int64_t> shape(stored.shape.begin() + 1, stored.shape.end());
  const at::Tensor decoded = empty_on_own_pages(shape, at::kFloat);
  const auto values = std::span(decoded.mutable_data_ptr<float>(), static_cast<size_t>(decoded.numel()));
  checkpoint_->read_one(name, place, values);
  at::Tensor result = empty_on_own_pages(shape, tensor_options(compute_));
  copy_to(result, decoded);
  return result;
}

// Columns of gate and up, which lie in turns, become rows one below the other.
Linear WeightLoader::of_stacked_expert(int64_t block, int64_t expert, std::span<const Part> parts) const {
  const ModelSpec& spec = checkpoint_->spec();
  const auto parts_in_one =
      static_cast<int64_t>(std::ranges::count_if(parts, [&](Part part) { return spec.has_weight(part); }));
  const at::Tensor stored = of_stack(spec.stored_weights(block, parts).front().name, expert);
  const int64_t in = stored.size(0), out = stored.size(1);
  at::Tensor weight = empty_on_own_pages({out, in}, tensor_options(compute_));
  weight.view({parts_in_one, -1, in}).copy_(stored.view({in, -1, parts_in_one}).permute({2, 1, 0}));
  std::optional<at::Tensor> bias;
  if (spec.experts.biases) {
    const at::Tensor in_turns = of_stack(spec.stored_biases(block, parts).front().name, expert);
    bias = in_turns.view({-1, parts_in_one}).t().reshape({out});
  }
  return {weight, std::move(bias)};
}

at::Tensor WeightLoader::head_norm_weight(int64_t block, Part part) const {
  const ModelSpec& spec = checkpoint_->spec();
  const at::Tensor heads = joined(spec.stored_weights(block, {&part, 1})).view({-1, spec.head_dim});
  return reordered(heads, 1, stored_dimensions(spec)).view(spec.part_shape(part));
}

std::optional<at::Tensor> WeightLoader::head_norm_bias(int64_t block, Part part) const {
  const ModelSpec& spec = checkpoint_->spec();
  if (!spec.has_bias(part)) return {};
  const at::Tensor heads = joined(spec.stored_biases(block, {&part, 1})).view({-1, spec.head_dim});
  return reordered(heads, 1, stored_dimensions(spec)).flatten();
}

}  // namespace sleb
