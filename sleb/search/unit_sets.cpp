#include "sleb/search/block_sets.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace sleb {
namespace {

bool has(const BlockSet& set, int64_t block) {
  return std::ranges::binary_search(set, block);
}

BlockSet exchanged(BlockSet set, int64_t out, int64_t in) {
  std::erase(set, out);
  set.insert(std::ranges::lower_bound(set, in), in);
  return set;
}

}  // namespace

std::vector<BlockSet> runs_of(int64_t size, BlockRange range) {
  std::vector<BlockSet> runs;
  for (int64_t begin = range.first; begin + size <= range.last; ++begin) {
    runs.emplace_back(static_cast<size_t>(size));
    std::iota(runs.back().begin(), runs.back().end(), begin);
  }
  return runs;
}

std::vector<BlockSet> likely_pairs(int64_t size, const std::map<BlockSet, double>& costs, size_t count) {
  std::vector<std::pair<double, BlockSet>> pairs;
  for (const auto& [left, left_cost] : costs) {
    for (const auto& [right, right_cost] : costs) {
      if (std::ssize(left) + std::ssize(right) != size || left.back() + 1 >= right.front()) continue;
      BlockSet both = left;
      both.insert(both.end(), right.begin(), right.end());
      pairs.emplace_back(left_cost + right_cost, std::move(both));
    }
  }
  std::ranges::sort(pairs);
  pairs.resize(std::min(pairs.size(), count));
  std::vector<BlockSet> sets;
  for (auto& [cost, set] : pairs) sets.push_back(std::move(set));
  return sets;
}

std::vector<BlockSet> with_ends_moved(const BlockSet& set, BlockRange range) {
  std::set<int64_t> ends, outside;
  for (const int64_t block : set) {
    for (const int64_t neighbour : {block - 1, block + 1}) {
      if (has(set, neighbour)) continue;
      ends.insert(block);
      if (neighbour >= range.first && neighbour < range.last) outside.insert(neighbour);
    }
  }
  std::vector<BlockSet> sets;
  for (const int64_t out : ends) {
    for (const int64_t in : outside) sets.push_back(exchanged(set, out, in));
  }
  return sets;
}

std::vector<BlockSet> with_another_for(int64_t block, const BlockSet& set, BlockRange range) {
  std::vector<BlockSet> sets;
  for (int64_t in = range.first; in < range.last; ++in) {
    if (!has(set, in)) sets.push_back(exchanged(set, block, in));
  }
  return sets;
}

std::string ranges_text(const BlockSet& set) {
  std::string text;
  for (size_t begin = 0; begin < set.size();) {
    size_t end = begin + 1;
    while (end < set.size() && set[end] == set[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", set[begin]);
    if (end - begin > 1) text += fmt::format("{}{}", end - begin == 2 ? "," : "-", set[end - 1]);
    begin = end;
  }
  return text;
}

}  // namespace sleb
