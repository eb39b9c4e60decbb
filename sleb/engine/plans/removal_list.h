// What is left out of a model, as users type it and files keep it: blocks, or one half of them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

struct Removal {
  int64_t block;             // in the original model
  std::optional<Half> half;  // nothing: the whole block

  // A block's number alone is one, as in "5,4,9".
  Removal(int64_t number, std::optional<Half> one_half = {}) : block(number), half(one_half) {}  // NOLINT(*-explicit-*)
  auto operator<=>(const Removal&) const = default;
};
using RemovalList = std::vector<Removal>;

// "5,4.mlp,9.attention".
std::string text_of(const Removal& removal);
std::string text_of(const RemovalList& list);
// 5, "4.mlp", "9.attention".
void to_json(OrderedJson& json, const Removal& removal);

// "5,4.mlp,9", "[5, 4, 9]" or "" (nothing), of whichever model. Throws Error(bad_input) for anything else, and for what
// stands twice.
RemovalList parse_removal_list(std::string_view text);
// Throws Error(bad_input) also for a block outside the model, all blocks at once, and for halves where they can't be
// left out one by one (check_has_halves).
RemovalList parse_removal_list(std::string_view text, const ModelSpec& spec);
// Throws Error(bad_input), beginning with `label`, for a model whose halves add to one sum, or that lacks halves of
// some blocks already.
void check_has_halves(const ModelSpec& spec, std::string_view label);

Plan plan_without(const RemovalList& list);
// The blocks of a list of whole ones. Throws Error(bad_input), beginning with `label`, if it has halves.
std::vector<int64_t> whole_blocks(const RemovalList& list, std::string_view label);
// Those of which nothing is left, ascending.
std::vector<int64_t> blocks_gone(const RemovalList& list);
// Whether a block loses one half and keeps the other.
bool has_single_halves(const RemovalList& list);
// The same list with a block in the place of its two halves, ascending.
RemovalList joined_halves(const Plan& plan);
// Of all that the list leaves out.
int64_t parameters_of(const RemovalList& list, const ModelSpec& spec);
// A half counts as half a block.
double blocks_in(const RemovalList& list);

}  // namespace sleb
