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

// The dimensions of a latent attention's head that turn, in the file's order: behind those that stay.
std::vector<int64_t> turned_dimensions(const ModelSpec& spec) {
  std::vector<int64_t> dimensions;
  const int64_t half = spec.latent.turned_dims / 2;
  for (int64_t i = 0; i < spec.latent.turned_dims; ++i) {
    dimensions.push_back(!spec.interleaved_rope ? i : i < half ? 2 * i : 2 * (i - half) + 1);
  }
  return dimensions;
}

// Of a query's head those that turn come first, as rope wants them.
std::vector<int64_t> rows_of_latent(const ModelSpec& spec, Part part) {
  std::vector<int64_t> rows;
  const std::vector<int64_t> turned = turned_dimensions(spec);
  if (part == Part::query) {
    for (int64_t first = 0; first < spec.num_heads * spec.head_dim; first += spec.head_dim) {
      for (const int64_t dimension : turned) rows.push_back(first + spec.latent.plain_dims + dimension);
      for (int64_t i = 0; i < spec.latent.plain_dims; ++i) rows.push_back(first + i);
    }
  } else if (part == Part::latent && spec.interleaved_rope) {
    for (int64_t i = 0; i < spec.latent.size; ++i) rows.push_back(i);
    for (const int64_t dimension : turned) rows.push_back(spec.latent.size + dimension);
  }
  return rows;
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
  if (spec.is_latent()) return rows_of_latent(spec, parts[0]);
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
