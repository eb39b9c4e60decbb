// A plan says which units of a model are bypassed. A unit is one half of a block: its attention or its MLP, each with
// its norm and residual connection; a bypassed unit passes its input on unchanged.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "sleb/checkpoint/model_spec.h"

namespace sleb {

struct Unit {
  int64_t block;
  Half half;
  auto operator<=>(const Unit&) const = default;
};

// How many units stand before it: a place in the model, counted in units.
inline int64_t depth_of(Unit unit) {
  return 2 * unit.block + (unit.half == Half::mlp ? 1 : 0);
}

class Plan {
 public:
  // The dense model.
  Plan() = default;
  static Plan without_blocks(std::span<const int64_t> blocks);

  Plan& bypass(Unit unit);
  Plan& bypass_block(int64_t block);
  bool bypasses(Unit unit) const;
  // The plan that bypasses, of these units, those before `depth`. Plans of which it is the same share their state
  // there.
  Plan before(int64_t depth) const;
  // Sorted.
  const std::vector<Unit>& bypassed() const { return bypassed_; }
  auto operator<=>(const Plan&) const = default;

 private:
  std::vector<Unit> bypassed_;
};

}  // namespace sleb
