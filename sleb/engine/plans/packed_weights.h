// Which of a model's matrices can be multiplied with as the file holds them, in integers of 4 bits, and what they take.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

// Checkpoint::int4_group
using Int4Groups = std::function<int64_t(const std::string& name)>;

// Columns of a group in which libtorch's kernel takes these matrices, one below the other: one of 32, 64, 128 and 256
// of which the stored groups are multiples. 0: some are not stored in such groups, or the rows are no multiple of 16.
int64_t packed_group(std::span<const TensorShape> matrices, const Int4Groups& groups);

// Of the integers, and of a scale and a zero of 2 bytes a group.
uint64_t packed_bytes(int64_t rows, int64_t columns, int64_t group);

// The linear maps of a half that is there, each with its stored matrices, one below the other.
std::vector<std::vector<TensorShape>> linear_maps(const ModelSpec& spec, int64_t block, Half half);
// Those of all that a plan runs, the head first.
std::vector<std::vector<TensorShape>> linear_maps(const ModelSpec& spec, const Plan& plan);

}  // namespace sleb
