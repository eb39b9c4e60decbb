#include "sleb/checkpoint/row_order.h"

#include <algorithm>
#include <numeric>

namespace sleb {
namespace {

// Where query, key and value heads begin in a tensor that holds them group by group.
int64_t first_row_of_head(const ModelSpec& spec, Part part, int64_t head) {
  const int64_t queries = spec.num_heads / spec.num_kv_heads;
  const int64_t group = part == Part::query ? head / queries : head;
  const int64_t inside = part == Part::query ? head % queries : part == Part::key ? queries : queries + 1;
  return (group * (queries + 2) + inside) * spec.head_dim;
}

bool is_turned(Part part) {
  return part == Part::query || part == Part::key;
}

}  // namespace

std::vector<int64_t> stored_dimensions(const ModelSpec& spec) {
  if (!spec.interleaved_rope) return {};
  std::vector<int64_t> dimensions(static_cast<size_t>(spec.head_dim));
  std::iota(dimensions.begin(), dimensions.end(), int64_t{0});
  const int64_t half = spec.ropes[0].dims / 2;
  for (int64_t pair = 0; pair < half; ++pair) {
    dimensions[static_cast<size_t>(pair)] = 2 * pair;
    dimensions[static_cast<size_t>(half + pair)] = 2 * pair + 1;
  }
  return dimensions;
}

std::vector<int64_t> stored_rows(const ModelSpec& spec, std::span<const Part> parts) {
  const bool grouped = spec.qkv_layout == QkvLayout::by_group;
  const bool reorders = std::ranges::any_of(parts, [&](Part part) {
    return (is_turned(part) && (spec.interleaved_rope || grouped)) || (part == Part::value && grouped);
  });
  if (!reorders) return {};
  const std::vector<int64_t> dimensions = stored_dimensions(spec);
  std::vector<int64_t> rows;
  int64_t begin = 0;
  for (const Part part : parts) {
    const int64_t heads = part == Part::query ? spec.num_heads : spec.num_kv_heads;
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t first = grouped ? first_row_of_head(spec, part, head) : begin + head * spec.head_dim;
      for (int64_t i = 0; i < spec.head_dim; ++i) {
        rows.push_back(first + (is_turned(part) && !dimensions.empty() ? dimensions[static_cast<size_t>(i)] : i));
      }
    }
    begin += heads * spec.head_dim;
  }
  return rows;
}

}  // namespace sleb
