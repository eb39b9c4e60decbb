#include "sleb/engine/decoder/weights.h"

#include <array>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/own_pages.h"
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

at::Tensor WeightLoader::joined(std::span<const std::string> names) const {
  std::vector<int64_t> shape = checkpoint_->tensor(names[0]).shape;
  for (const std::string& name : names.subspan(1)) shape[0] += checkpoint_->tensor(name).shape[0];
  at::Tensor result = empty_on_own_pages(shape, tensor_options(compute_));
  int64_t begin = 0;
  for (const std::string& name : names) {
    const int64_t rows = checkpoint_->tensor(name).shape[0];
    read(name, result.narrow(0, begin, rows));
    begin += rows;
  }
  return result;
}

at::Tensor WeightLoader::weight(std::string_view name) const {
  return joined(std::array{std::string(name) + ".weight"});
}

at::Tensor WeightLoader::bias(std::string_view name) const {
  return joined(std::array{std::string(name) + ".bias"});
}

Linear WeightLoader::fused(int64_t block, std::initializer_list<Part> parts) const {
  const ModelSpec& spec = checkpoint_->spec();
  std::vector<std::string> weights;
  std::vector<std::string> biases;
  for (const Part part : parts) {
    const std::string name = spec.part_name(block, part);
    weights.push_back(name + ".weight");
    if (spec.has_bias(part)) biases.push_back(name + ".bias");
  }
  return {joined(weights), biases.empty() ? std::nullopt : std::optional(joined(biases))};
}

}  // namespace sleb
