// Compute in ATen's terms; inside the engine only.
#pragma once

#include <ATen/core/Tensor.h>

#include "sleb/engine/compute.h"

namespace sleb {

at::ScalarType scalar_type_of(const Compute& compute);
inline at::Device device_of(const Compute& compute) {
  return at::Device(compute.device);
}
inline at::TensorOptions tensor_options(const Compute& compute) {
  return at::TensorOptions().dtype(scalar_type_of(compute)).device(device_of(compute));
}

// A CPU tensor on the device, without waiting for what a GPU has still to do: pinned memory is copied when its turn
// comes, and kept until then.
inline at::Tensor upload(const at::Tensor& tensor, at::Device device) {
  return device.is_cpu() ? tensor : tensor.pin_memory().to(at::TensorOptions(device), /*non_blocking=*/true);
}

}  // namespace sleb
