// Output matrices with what a repair adds to them. Inside this room only.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/repair/repair.h"

namespace sleb {

// A part of a block's change: the columns of it that belong to one stored matrix.
struct OutputMatrix {
  TensorShape stored;
  int64_t first_column;
  int64_t columns;
  // Of experts that are stacked: whose matrix of `stored`, which holds those of all, [experts, in, out].
  std::optional<int64_t> place_in_stack = {};
};

// The matrices that write to the hidden state in one half, in the order of their columns; of a parallel residual both.
std::vector<OutputMatrix> output_matrices(const ModelSpec& spec, Unit unit);
// That of one of a mixture's experts; of the number behind theirs, that of the one for all tokens.
OutputMatrix expert_matrix(const ModelSpec& spec, int64_t block, int64_t expert);
// All of these.
std::vector<OutputMatrix> expert_matrices(const ModelSpec& spec, int64_t block);

struct RoundedChange {
  ChangedTensor tensor;  // of a stack: that expert's matrix alone
  at::Tensor change;     // by how much it differs from the stored one: float32 [hidden, columns]
};
// Adds the change, float64 [hidden, columns], to the stored matrix, and rounds to the type that is written, on the
// change's device.
RoundedChange change_tensor(const Checkpoint& checkpoint, const OutputMatrix& matrix, const at::Tensor& change,
                            StoredType type, const std::filesystem::path& scratch);
// A stack of all experts' matrices of which some, by their experts, have been changed.
ChangedTensor changed_stack(const Checkpoint& checkpoint, const std::map<int64_t, ChangedTensor>& changed,
                            const std::filesystem::path& scratch);

}  // namespace sleb
