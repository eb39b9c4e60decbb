// Experts that Hugging Face folders of a family stack (ExpertSpec::stacked), and that GGUFs hold as those of others:
// from one layout to the other.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// The same model with tensors for each expert, "mlp.experts.3.up_proj.weight" and ".bias", as in other families.
ModelSpec with_experts_apart(ModelSpec spec);

// Of a part of one expert, [rows, columns] or a bias [rows], where it lies in a stack's matrix of that expert,
// [columns, turns * rows], or bias, [turns * rows].
struct PlaceInStack {
  std::string stack = {};
  int64_t expert = 0;
  int64_t turn = 0;
  int64_t turns = 1;
};

// By the names that with_experts_apart() gives to what `stacked` has in stacks; nothing else is there.
std::map<std::string, PlaceInStack> places_in_stacks(const ModelSpec& stacked);

// `of_expert`: one expert's numbers in the stack; `rows` of the part, which is given row by row.
void take_from_stack(std::span<const float> of_expert, const PlaceInStack& place, int64_t rows, std::span<float> part);
void put_into_stack(std::span<const float> part, const PlaceInStack& place, int64_t rows, std::span<float> of_expert);

}  // namespace sleb
