// Sets of blocks to remove: which of them a search looks at. A set is ascending; blocks first <= b < last may be in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sleb {

using BlockSet = std::vector<int64_t>;

struct BlockRange {
  int64_t first, last;
};

// All runs of neighbouring blocks of this size.
std::vector<BlockSet> runs_of(int64_t size, BlockRange range);

// The sets of this size that are two runs with a block between them at least, the cheapest first and no more than
// `count` of them, where two runs are taken to cost what they cost by themselves. `costs`: of runs by themselves; those
// that it lacks are in no pair.
std::vector<BlockSet> likely_pairs(int64_t size, const std::map<BlockSet, double>& costs, size_t count);

// The set with one end of one of its runs moved inwards by one and one end moved outwards by one.
std::vector<BlockSet> with_ends_moved(const BlockSet& set, BlockRange range);

// The set with any other block in the place of one.
std::vector<BlockSet> with_another_for(int64_t block, const BlockSet& set, BlockRange range);

// "13-18,21", for people.
std::string ranges_text(const BlockSet& set);

}  // namespace sleb
