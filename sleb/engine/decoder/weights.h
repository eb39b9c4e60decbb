// Tensors of a checkpoint, on the device, in the compute type.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/decoder/linear.h"

namespace sleb {

class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, const Compute& compute) : checkpoint_(&checkpoint), compute_(compute) {}

  // Loads in the current stream what another one uses: the memory stays until that has done what it was given.
  WeightLoader used_by(c10::Stream stream) const;

  // NAME.weight and NAME.bias.
  at::Tensor weight(std::string_view name) const;
  at::Tensor bias(std::string_view name) const;
  // One linear map that computes several parts of a block side by side, [in] -> [sum of their out]: one large product
  // is faster than several small ones.
  Linear fused(int64_t block, std::initializer_list<Part> parts) const;

 private:
  // Into memory of its shape.
  void read(const std::string& name, const at::Tensor& target) const;
  // One below the other, without a copy of each beside them.
  at::Tensor joined(std::span<const std::string> names) const;

  const Checkpoint* checkpoint_;
  Compute compute_;
  std::optional<c10::Stream> used_by_;
};

}  // namespace sleb
