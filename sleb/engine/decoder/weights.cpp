#include "sleb/engine/decoder/weights.h"

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/tensor_options.h"

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

at::Tensor WeightLoader::read(const std::string& name) const {
  const StoredTensor& stored = checkpoint_->tensor(name);
  const auto type = plain_type(stored.type);
  at::Tensor result;
  if (type && is_aligned(stored.data, *type) && !checkpoint_->is_gguf()) {
    // The mapped file itself, copied (and converted) once. from_blob takes no pointer to const; nothing writes through
    // it.
    const at::Tensor mapped = at::from_blob(const_cast<std::byte*>(stored.data.data()), stored.shape, *type);
    result = mapped.to(tensor_options(compute_), /*non_blocking=*/false, /*copy=*/true);
  } else {
    at::Tensor decoded = at::empty(stored.shape, at::kFloat);
    checkpoint_->read(name, {decoded.mutable_data_ptr<float>(), static_cast<size_t>(decoded.numel())});
    result = decoded.to(tensor_options(compute_));
  }
  checkpoint_->release(name);
  return result;
}

at::Tensor WeightLoader::weight(std::string_view name) const {
  return read(std::string(name) + ".weight");
}

at::Tensor WeightLoader::bias(std::string_view name) const {
  return read(std::string(name) + ".bias");
}

Linear WeightLoader::fused(int64_t block, std::initializer_list<Part> parts) const {
  const ModelSpec& spec = checkpoint_->spec();
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  for (const Part part : parts) {
    const std::string name = spec.part_name(block, part);
    weights.push_back(weight(name));
    if (spec.has_bias(part)) biases.push_back(bias(name));
  }
  std::optional<at::Tensor> fused_bias;
  if (!biases.empty()) fused_bias = at::cat(biases);
  return {weights.size() == 1 ? weights[0] : at::cat(weights), fused_bias};
}

}  // namespace sleb
