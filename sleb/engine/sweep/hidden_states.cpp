#include "sleb/engine/sweep/hidden_states.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "sleb/engine/decoder/own_pages.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {

uint64_t bytes_of(const StatesShape& shape, const Compute& compute) {
  return static_cast<uint64_t>(shape.segments * shape.tokens * shape.hidden) * bytes_per_element(compute);
}

HiddenStates::HiddenStates(const StatesShape& shape, const Compute& compute, StatesPlace place,
                           const std::filesystem::path& scratch) {
  const at::ScalarType type = scalar_type_of(compute);
  const std::vector<int64_t> sizes = {shape.segments, shape.tokens, shape.hidden};
  if (place == StatesPlace::disk) {
    file_.emplace(scratch, bytes_of(shape, compute));
    all_ = at::from_blob(file_->bytes().data(), sizes, type);
  } else if (place == StatesPlace::device && compute.device != "cpu") {
    all_ = at::empty(sizes, at::TensorOptions().dtype(type).device(at::Device(compute.device)));
  } else {
    all_ = empty_on_own_pages(sizes, type);
  }
}

void HiddenStates::copy_from(const HiddenStates& other) const {
  all_.copy_(other.all_);
}

}  // namespace sleb
