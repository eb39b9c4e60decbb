#include "sleb/engine/repair/changed_tensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "sleb/checkpoint/formats/encode.h"

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

ChangedTensor changed_tensor(const Checkpoint& checkpoint, const OutputMatrix& matrix, const at::Tensor& change,
                             StoredType type, const std::filesystem::path& scratch) {
  const bool transposed = checkpoint.spec().transposed_matrices;
  const at::Tensor values = stored_values(checkpoint, matrix);
  values.copy_(values.to(at::kDouble).add_(transposed ? change.t() : change));
  const std::vector<std::byte> bytes = encode(type, values_of(values));
  ChangedTensor changed{matrix.stored.name, type, ScratchFile(scratch, bytes.size())};
  std::ranges::copy(bytes, changed.data.bytes().begin());
  return changed;
}

at::Tensor rounded_change(const Checkpoint& checkpoint, const OutputMatrix& matrix, const ChangedTensor& changed) {
  at::Tensor values = at::empty(matrix.stored.shape, at::kFloat);
  decode(changed.type, changed.data.bytes(), values_of(values));
  values.sub_(stored_values(checkpoint, matrix));
  return checkpoint.spec().transposed_matrices ? values.t() : values;
}

}  // namespace sleb
