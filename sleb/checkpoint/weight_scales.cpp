#include "sleb/checkpoint/weight_scales.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "sleb/base/error.h"

namespace sleb {
namespace {

struct BlockShape {
  int64_t rows;
  int64_t columns;

  bool operator==(const BlockShape&) const = default;
};

BlockShape parse_block(const JsonView& sides) {
  if (sides.size() != 2) sides.fail("expected two numbers, a block's rows and columns");
  constexpr int64_t most = int64_t{1} << 31;
  return {sides.at(0).integer(1, most), sides.at(1).integer(1, most)};
}

// transformers' "fp8" has weight_block_size, 128 x 128 where absent, null for one scale a tensor
// (FineGrainedFP8Config); compressed-tensors has a block_structure in each group of layers.
std::optional<BlockShape> block_shape(const JsonView& config) {
  const auto quantization = config.find("quantization_config");
  if (!quantization) return {};
  if (const auto sides = quantization->find("weight_block_size")) return parse_block(*sides);
  const bool is_null = quantization->raw().contains("weight_block_size");
  if (!is_null && quantization->string_or("quant_method", "") == "fp8") return BlockShape{128, 128};

  std::optional<BlockShape> block;
  const auto groups = quantization->find("config_groups");
  if (!groups) return {};
  if (!groups->is_object()) groups->fail("expected an object");
  for (const auto& [name, unused] : groups->raw().items()) {
    const auto weights = groups->at(name).find("weights");
    const auto sides = weights ? weights->find("block_structure") : std::nullopt;
    if (!sides) continue;
    const BlockShape own = parse_block(*sides);
    if (block && *block != own) sides->fail("blocks of several sizes are not known here");
    block = own;
  }
  return block;
}

bool is_fp8(StoredType type) {
  return type == StoredType::f8_e4m3 || type == StoredType::f8_e5m2;
}

std::string tensor_place(const std::string& label, std::string_view name) {
  return fmt::format("{}: tensor {}", label, quote(name));
}

const StoredTensor& find_scale_tensor(const std::map<std::string, StoredTensor>& tensors,
                                      const std::set<std::string>& integers, const StoredTensor& weight,
                                      const std::string& label) {
  const std::array names = {weight.name + "_scale_inv", weight.name + "_scale"};
  const StoredTensor* found = nullptr;
  for (const std::string& name : names) {
    const auto tensor = tensors.find(name);
    if (integers.contains(name)) bad_input("{}: scales must be F32, F16 or BF16", tensor_place(label, name));
    if (tensor == tensors.end()) continue;
    if (found != nullptr) bad_input("{}: {} is there too", tensor_place(label, name), quote(found->name));
    found = &tensor->second;
  }
  if (found == nullptr) {
    bad_input("{}: {} without scales: neither {} nor {} is there", tensor_place(label, weight.name),
              name_of(weight.type), quote(names[0]), quote(names[1]));
  }
  const bool is_plain =
      found->type == StoredType::f32 || found->type == StoredType::f16 || found->type == StoredType::bf16;
  if (!is_plain) {
    bad_input("{}: scales must be F32, F16 or BF16, not {}", tensor_place(label, found->name), name_of(found->type));
  }
  return *found;
}

int64_t blocks_in(int64_t length, int64_t block) {
  return length / block + (length % block != 0 ? 1 : 0);
}

WeightScale place_scales(const StoredTensor& weight, const StoredTensor& scale, std::optional<BlockShape> block,
                         const std::string& label) {
  const bool is_matrix = weight.shape.size() == 2;
  const int64_t rows = is_matrix ? weight.shape[0] : 1;
  const int64_t columns = weight.shape.back();
  if (scale.elements() == 1) return {scale, rows, columns};
  using Shape = std::vector<int64_t>;
  std::vector<Shape> fitting = {Shape{}, Shape{1}};
  if (is_matrix) {
    if (scale.shape == Shape{rows} || scale.shape == Shape{rows, 1}) return {scale, 1, columns};
    fitting.insert(fitting.end(), {Shape{rows}, Shape{rows, 1}});
    if (block) {
      const Shape grid = {blocks_in(rows, block->rows), blocks_in(columns, block->columns)};
      if (scale.shape == grid) return {scale, block->rows, block->columns};
      fitting.push_back(grid);
    }
  }
  bad_input("{}: shape {}, but scales of a weight of shape {} are {}{}", tensor_place(label, scale.name), scale.shape,
            weight.shape, fmt::join(fitting, " or "),
            block ? fmt::format(" (in blocks of {} x {})", block->rows, block->columns)
                  : "; config.json's quantization_config names no block size");
}

// Row `row` of the grid, of `scales.size()` columns.
void read_scales(const WeightScale& scale, int64_t row, std::span<float> scales, const std::string& label) {
  const auto bytes = static_cast<size_t>(bytes_per_block(scale.tensor.type)) * scales.size();
  decode(scale.tensor.type, scale.tensor.data.subspan(static_cast<size_t>(row) * bytes, bytes), scales);
  for (size_t i = 0; i < scales.size(); ++i) {
    if (std::isfinite(scales[i]) && scales[i] > 0) continue;
    bad_input("{}: scale {} is {}, not a positive number", tensor_place(label, scale.tensor.name),
              static_cast<size_t>(row) * scales.size() + i, scales[i]);
  }
}

}  // namespace

std::map<std::string, WeightScale> find_weight_scales(const std::map<std::string, StoredTensor>& tensors,
                                                      const std::set<std::string>& integers,
                                                      const std::vector<std::string>& weights, const JsonView& config,
                                                      const std::string& label) {
  std::map<std::string, WeightScale> scales;
  for (const std::string& name : weights) {
    const auto weight = tensors.find(name);
    if (weight == tensors.end() || !is_fp8(weight->second.type)) continue;
    const StoredTensor& scale = find_scale_tensor(tensors, integers, weight->second, label);
    scales.emplace(name, place_scales(weight->second, scale, block_shape(config), label));
  }
  return scales;
}

bool is_activation_scale(std::string_view name) {
  constexpr std::string_view endings[] = {".input_scale", ".activation_scale", ".output_scale",
                                          ".q_scale",     ".k_scale",          ".v_scale"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); });
}

void apply_scales(const WeightScale& scale, int64_t first_row, int64_t columns, std::span<float> values,
                  const std::string& label) {
  std::vector<float> scales(static_cast<size_t>(blocks_in(columns, scale.block_columns)));
  int64_t grid_row = -1;
  for (int64_t row = first_row; !values.empty(); ++row) {
    if (row / scale.block_rows != grid_row) {
      grid_row = row / scale.block_rows;
      read_scales(scale, grid_row, scales, label);
    }
    std::span<float> rest = values.first(static_cast<size_t>(columns));
    for (const float factor : scales) {
      const size_t length = std::min(rest.size(), static_cast<size_t>(scale.block_columns));
      for (float& value : rest.first(length)) value *= factor;
      rest = rest.subspan(length);
    }
    values = values.subspan(static_cast<size_t>(columns));
  }
}

void check_scales(const WeightScale& scale, const std::string& label) {
  std::vector<float> scales(static_cast<size_t>(scale.tensor.elements()));
  read_scales(scale, 0, scales, label);
}

}  // namespace sleb
