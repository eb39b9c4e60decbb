#include "sleb/engine/repair/changed_tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <utility>

namespace sleb {
namespace {

std::span<float> values_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

at::Tensor stored_values(const Checkpoint& checkpoint, const OutputMatrix& matrix) {
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
  return {stored[0], 0, spec.part_shape(part)[1]};
}

std::vector<OutputMatrix> expert_matrices(const ModelSpec& spec, int64_t block) {
  std::vector<OutputMatrix> matrices;
  const int64_t count = spec.experts.count + (spec.experts.shared_size > 0 ? 1 : 0);
  for (int64_t expert = 0; expert < count; ++expert) matrices.push_back(expert_matrix(spec, block, expert));
  return matrices;
}

RoundedChange change_tensor(const Checkpoint& checkpoint, const OutputMatrix& matrix, const at::Tensor& change,
                            StoredType type, const std::filesystem::path& scratch) {
  const bool transposed = checkpoint.spec().transposed_matrices;
  const at::Tensor stored = stored_values(checkpoint, matrix).to(change.device());
  const at::Tensor sum = stored.to(at::kDouble).add_(transposed ? change.t() : change).to(at::kFloat);
  const at::Tensor written = sum.to(scalar_type_of(type)).contiguous();
  ChangedTensor changed{matrix.stored.name, type, ScratchFile(scratch, written.nbytes())};
  at::from_blob(changed.data.bytes().data(), written.sizes(), written.scalar_type()).copy_(written);
  const at::Tensor difference = written.to(at::kFloat).sub(stored);
  return {std::move(changed), transposed ? difference.t() : difference};
}

}  // namespace sleb
