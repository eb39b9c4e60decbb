#include "sleb/engine/repair/changed_tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <utility>

namespace sleb {
namespace {

std::span<float> values_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

at::Tensor values_in_stack(const Checkpoint& checkpoint, const std::string& name, int64_t place) {
  const std::vector<int64_t>& shape = checkpoint.tensor(name).shape;
  at::Tensor values = at::empty({shape[1], shape[2]}, at::kFloat);
  checkpoint.read_one(name, place, values_of(values));
  return values;
}

at::Tensor stored_values(const Checkpoint& checkpoint, const OutputMatrix& matrix) {
  if (matrix.place_in_stack) return values_in_stack(checkpoint, matrix.stored.name, *matrix.place_in_stack);
  at::Tensor values = at::empty(matrix.stored.shape, at::kFloat);
  checkpoint.read(matrix.stored.name, values_of(values));
  checkpoint.release(matrix.stored.name);
  return values;
}

at::ScalarType scalar_type_of(StoredType type) {
  return type == StoredType::bf16 ? at::kBFloat16 : type == StoredType::f16 ? at::kHalf : at::kFloat;
}

}  // namespace

std::vector<OutputMatrix> output_matrices(const ModelSpec& spec, Unit unit) {
  std::vector<Part> parts = {unit.half == Half::attention ? Part::attention_output : Part::down};
  if (spec.parallel_residual) parts = {Part::attention_output, Part::down};
  std::vector<OutputMatrix> matrices;
  int64_t column = 0;
  for (const Part part : parts) {
    const int64_t columns = spec.part_shape(part)[1];
    matrices.push_back({spec.stored_weights(unit.block, {&part, 1})[0], column, columns});
    column += columns;
  }
  return matrices;
}

OutputMatrix expert_matrix(const ModelSpec& spec, int64_t block, int64_t expert) {
  const Part part = expert == spec.experts.count ? Part::shared_down : Part::expert_down;
  const auto stored = expert == spec.experts.count ? spec.stored_weights(block, {&part, 1})
                                                   : spec.expert_weights(block, expert, {&part, 1});
  const bool is_stacked = spec.experts.stacked && expert < spec.experts.count;
  return {stored[0], 0, spec.part_shape(part)[1], is_stacked ? std::optional(expert) : std::nullopt};
}

std::vector<OutputMatrix> expert_matrices(const ModelSpec& spec, int64_t block) {
  std::vector<OutputMatrix> matrices;
  const int64_t count = spec.experts.count + (spec.experts.shared_size > 0 ? 1 : 0);
  for (int64_t expert = 0; expert < count; ++expert) matrices.push_back(expert_matrix(spec, block, expert));
  return matrices;
}

RoundedChange change_tensor(const Checkpoint& checkpoint, const OutputMatrix& matrix, const at::Tensor& change,
                            StoredType type, const std::filesystem::path& scratch) {
  const bool transposed = checkpoint.spec().transposed_matrices || matrix.place_in_stack;
  const at::Tensor stored = stored_values(checkpoint, matrix).to(change.device());
  const at::Tensor sum = stored.to(at::kDouble).add_(transposed ? change.t() : change).to(at::kFloat);
  const at::Tensor written = sum.to(scalar_type_of(type)).contiguous();
  ChangedTensor changed{matrix.stored.name, type, ScratchFile(scratch, written.nbytes())};
  at::from_blob(changed.data.bytes().data(), written.sizes(), written.scalar_type()).copy_(written);
  const at::Tensor difference = written.to(at::kFloat).sub(stored);
  return {std::move(changed), transposed ? difference.t() : difference};
}

ChangedTensor changed_stack(const Checkpoint& checkpoint, const std::map<int64_t, ChangedTensor>& changed,
                            const std::filesystem::path& scratch) {
  const auto& [name, type, data] = changed.begin()->second;
  const size_t size = data.bytes().size();
  const int64_t experts = checkpoint.tensor(name).shape[0];
  ChangedTensor stack{name, type, ScratchFile(scratch, static_cast<size_t>(experts) * size)};
  for (int64_t expert = 0; expert < experts; ++expert) {
    const auto place = stack.data.bytes().subspan(static_cast<size_t>(expert) * size, size);
    if (const auto own = changed.find(expert); own != changed.end()) {
      std::ranges::copy(own->second.data.bytes(), place.begin());
      continue;
    }
    const at::Tensor values = values_in_stack(checkpoint, name, expert);
    at::from_blob(place.data(), values.sizes(), scalar_type_of(type)).copy_(values);
  }
  checkpoint.release(name);
  return stack;
}

}  // namespace sleb
