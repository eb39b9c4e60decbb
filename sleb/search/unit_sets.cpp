#include "sleb/search/unit_sets.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace sleb {
namespace {

bool has(const UnitSet& set, int64_t unit) {
  return std::ranges::binary_search(set, unit);
}

UnitSet exchanged(UnitSet set, int64_t out, int64_t in) {
  std::erase(set, out);
  set.insert(std::ranges::lower_bound(set, in), in);
  return set;
}

}  // namespace

std::vector<UnitSet> runs_of(int64_t size, UnitRange range) {
  std::vector<UnitSet> runs;
  for (int64_t begin = range.first; begin + size <= range.last; ++begin) {
    runs.emplace_back(static_cast<size_t>(size));
    std::iota(runs.back().begin(), runs.back().end(), begin);
  }
  return runs;
}

std::vector<UnitSet> likely_pairs(int64_t size, const std::map<UnitSet, double>& costs, size_t count) {
  std::vector<std::pair<double, UnitSet>> pairs;
  for (const auto& [left, left_cost] : costs) {
    for (const auto& [right, right_cost] : costs) {
      if (std::ssize(left) + std::ssize(right) != size || left.back() + 1 >= right.front()) continue;
      UnitSet both = left;
      both.insert(both.end(), right.begin(), right.end());
      pairs.emplace_back(left_cost + right_cost, std::move(both));
    }
  }
  std::ranges::sort(pairs);
  pairs.resize(std::min(pairs.size(), count));
  std::vector<UnitSet> sets;
  for (auto& [cost, set] : pairs) sets.push_back(std::move(set));
  return sets;
}

std::vector<UnitSet> with_ends_moved(const UnitSet& set, UnitRange range) {
  std::set<int64_t> ends, outside;
  for (const int64_t unit : set) {
    for (const int64_t neighbour : {unit - 1, unit + 1}) {
      if (has(set, neighbour)) continue;
      ends.insert(unit);
      if (neighbour >= range.first && neighbour < range.last) outside.insert(neighbour);
    }
  }
  std::vector<UnitSet> sets;
  for (const int64_t out : ends) {
    for (const int64_t in : outside) sets.push_back(exchanged(set, out, in));
  }
  return sets;
}

std::vector<UnitSet> with_another_for(int64_t unit, const UnitSet& set, UnitRange range) {
  std::vector<UnitSet> sets;
  for (int64_t in = range.first; in < range.last; ++in) {
    if (!has(set, in)) sets.push_back(exchanged(set, unit, in));
  }
  return sets;
}

std::string ranges_text(const UnitSet& set, Units units) {
  const RemovalList list = joined_halves(plan_without(set, units));
  const auto follows = [](const Removal& before, const Removal& next) {
    return !before.half && !next.half && next.block == before.block + 1;
  };
  std::string text;
  for (size_t begin = 0; begin < list.size();) {
    size_t end = begin + 1;
    while (end < list.size() && follows(list[end - 1], list[end])) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", text_of(list[begin]));
    if (end - begin > 1) text += fmt::format("{}{}", end - begin == 2 ? "," : "-", text_of(list[end - 1]));
    begin = end;
  }
  return text;
}

}  // namespace sleb
