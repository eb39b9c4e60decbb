// Sets of units to remove (blocks, or halves of them; candidates.h): which of them a search looks at. A set is
// ascending; units first <= u < last may be in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sleb/search/candidates.h"

namespace sleb {

using UnitSet = std::vector<int64_t>;

struct UnitRange {
  int64_t first, last;
};

// All runs of neighbours of this size.
std::vector<UnitSet> runs_of(int64_t size, UnitRange range);

// The sets of this size that are two runs with a unit between them at least, the cheapest first and no more than
// `count` of them, where two runs are taken to cost what they cost by themselves. `costs`: of runs by themselves; those
// that it lacks are in no pair.
std::vector<UnitSet> likely_pairs(int64_t size, const std::map<UnitSet, double>& costs, size_t count);

// The set with one end of one of its runs moved inwards by one and one end moved outwards by one.
std::vector<UnitSet> with_ends_moved(const UnitSet& set, UnitRange range);

// The set with any other unit in the place of one.
std::vector<UnitSet> with_another_for(int64_t unit, const UnitSet& set, UnitRange range);

// "13-18,21", or of halves "13-15,17.mlp", for people.
std::string ranges_text(const UnitSet& set, Units units);

}  // namespace sleb
