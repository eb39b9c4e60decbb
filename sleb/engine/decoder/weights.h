// Tensors of a checkpoint, on the device, in the compute type.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/staging_buffer.h"

namespace sleb {

class WeightLoader {
 public:
  // On a GPU, works in the device's current stream.
  WeightLoader(const Checkpoint& checkpoint, const Compute& compute);

  // NAME.weight and NAME.bias.
  at::Tensor weight(std::string_view name) const;
  at::Tensor bias(std::string_view name) const;
  // A tensor of exactly that name; in float32 whatever the compute type.
  at::Tensor in_compute_type(const std::string& name) const;
  at::Tensor in_float32(const std::string& name) const;
  // One linear map that computes several parts of a block side by side, [in] -> [sum of their out]: one large product
  // is faster than several small ones. Its rows are in the engine's order, whatever the file's (row_order.h).
  Linear fused(int64_t block, std::initializer_list<Part> parts) const;
  // Of one expert.
  Linear of_expert(int64_t block, int64_t expert, std::initializer_list<Part> parts) const;
  // Of a whole matrix, NAME.weight.
  Linear of_whole(std::string_view name, std::optional<at::Tensor> bias) const;
  // Weight and bias of a norm over heads of queries or keys, in the engine's order. Nothing where it has no bias.
  at::Tensor head_norm_weight(int64_t block, Part part) const;
  std::optional<at::Tensor> head_norm_bias(int64_t block, Part part) const;

 private:
  // One of the matrices or vectors of a stack, as it is stored.
  at::Tensor of_stack(const std::string& name, int64_t place) const;
  Linear of_stacked_expert(int64_t block, int64_t expert, std::span<const Part> parts) const;
  // Into memory of its shape.
  void read(const std::string& name, const at::Tensor& target) const;
  void copy_to(const at::Tensor& target, const at::Tensor& source) const;
  // Of matrices one below the other, rows in that order; packed where they can be and Compute says so.
  Linear linear(std::span<const TensorShape> matrices, const std::vector<int64_t>& order,
                std::optional<at::Tensor> bias) const;
  Int4Matrix int4(std::span<const TensorShape> matrices, const std::vector<int64_t>& order, int64_t group) const;
  // One below the other, without a copy of each beside them; [in, out] matrices as [out, in].
  at::Tensor joined(std::span<const TensorShape> tensors) const;
  // Rows in another order; as they are where it is empty.
  at::Tensor reordered(at::Tensor tensor, int64_t dimension, const std::vector<int64_t>& order) const;

  const Checkpoint* checkpoint_;
  Compute compute_;
  std::shared_ptr<StagingBuffer> staging_;  // nothing on the CPU
};

}  // namespace sleb
