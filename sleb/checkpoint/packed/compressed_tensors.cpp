#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>

#include "sleb/checkpoint/packed/affine_weight.h"
#include "sleb/checkpoint/packed/packed_formats.h"

namespace sleb {
namespace {

// Before version 0.20 numbers of 3, 5, 6 and 7 bits were packed with gaps, since then without, and no file says which.
constexpr std::array packed_bits = {2, 4, 8};

// How some of the modules' weights are quantised.
struct Scheme {
  int bits;
  bool is_symmetric;
  int64_t group_size;  // 0: no groups
  bool operator==(const Scheme&) const = default;
};

struct CompressedSettings {
  std::vector<Scheme> schemes;  // of integers, from config_groups
  std::string place;
};

std::optional<Scheme> parse_scheme(const JsonView& weights) {
  check_members(weights, {"num_bits", "type", "symmetric", "strategy", "group_size", "block_structure", "dynamic"},
                {"observer", "observer_kwargs", "actorder", "scale_dtype", "zp_dtype"});
  if (weights.string_or("type", "int") != "int") return {};  // 8-bit floats are weight_scales.h's
  if (const auto order = weights.find("actorder"); order && (order->raw() == "group" || order->raw() == "dynamic")) {
    order->fail("columns in another order are not known here");
  }
  if (weights.find("block_structure")) weights.at("block_structure").fail("blocks of integers are not known here");
  const int64_t bits = weights.integer_or("num_bits", 8);
  if (std::ranges::find(packed_bits, bits) == packed_bits.end()) {
    weights.at("num_bits").fail(fmt::format("{} bits are not known here ({} are)", bits, fmt::join(packed_bits, ", ")));
  }
  const int64_t group_size = weights.integer_or("group_size", 0);
  const std::string strategy = weights.string_or("strategy", group_size > 0 ? "group" : "tensor");
  const bool is_grouped = strategy == "group";
  if (!is_grouped && strategy != "channel" && strategy != "tensor") {
    weights.at("strategy").fail(fmt::format("{} is not known here (tensor, channel and group are)", quote(strategy)));
  }
  if (is_grouped && group_size < 1) weights.fail("strategy group needs a group_size");
  return Scheme{static_cast<int>(bits), weights.boolean_or("symmetric", true), is_grouped ? group_size : 0};
}

// Other programs round activations too; the weights are what they are.
std::optional<std::string> activation_warning(const JsonView& group) {
  const auto inputs = group.find("input_activations");
  if (!inputs) return {};
  return fmt::format(
      "{}: input_activations are rounded to {} bits where the model is served; sleb computes with them "
      "as they are",
      group.place(), inputs->integer_or("num_bits", 8));
}

CompressedSettings parse_compressed_settings(const JsonView& quantization, std::vector<std::string>& warnings) {
  check_members(quantization, {"quant_method", "format", "config_groups", "ignore", "sparsity_config"},
                {"kv_cache_scheme", "global_compression_ratio", "quantization_status", "version", "run_compressed",
                 "dequantize"});
  constexpr std::array formats = {"pack-quantized",  "int-quantized",   "naive-quantized",
                                  "float-quantized", "mixed-precision", "dense"};
  const auto check_format = [&](const JsonView& view) {
    const std::string format = view.string_or("format", "dense");
    if (std::ranges::find(formats, format) != formats.end()) return;
    view.at("format").fail(fmt::format("{} is not known here ({} are)", quote(format), fmt::join(formats, ", ")));
  };
  check_format(quantization);
  if (const auto sparsity = quantization.find("sparsity_config"); sparsity && !sparsity->raw().empty()) {
    if (const std::string format = sparsity->string_or("format", "dense"); format != "dense") {
      sparsity->fail(fmt::format("format {} is not known here", quote(format)));
    }
  }
  CompressedSettings settings{{}, quantization.place()};
  const JsonView groups = quantization.at("config_groups");
  if (!groups.is_object()) groups.fail("expected an object");
  for (const auto& [name, unused] : groups.raw().items()) {
    const JsonView group = groups.at(name);
    if (!group.is_object()) group.fail("expected an object");
    check_members(group, {"targets", "weights", "format"}, {"input_activations", "output_activations"});
    check_format(group);
    const auto weights = group.find("weights");
    const auto scheme = weights ? parse_scheme(*weights) : std::nullopt;
    if (!scheme) continue;
    if (std::ranges::find(settings.schemes, *scheme) == settings.schemes.end()) settings.schemes.push_back(*scheme);
    if (auto warning = activation_warning(group); warning && warnings.empty()) warnings.push_back(std::move(*warning));
  }
  return settings;
}

int64_t groups_of(const Scheme& scheme, int64_t columns) {
  return scheme.group_size == 0 ? 1 : columns / scheme.group_size;
}

bool fits_scales(const Scheme& scheme, const StoredTensor& scales, int64_t rows, int64_t columns) {
  if (scheme.group_size != 0) {
    return columns % scheme.group_size == 0 && scales.shape == std::vector<int64_t>{rows, groups_of(scheme, columns)};
  }
  return scales.elements() == 1 || scales.shape == std::vector<int64_t>{rows} ||
         scales.shape == std::vector<int64_t>{rows, 1};
}

// The one that the tensors' shapes are of: config_groups' targets, patterns among them, need not be read.
const Scheme& scheme_of(const CompressedSettings& settings, const ModuleParts& module, const StoredTensor& scales,
                        std::string_view weight_part, int64_t rows, int64_t columns) {
  const bool has_zeros = module.has("weight_zero_point");
  const StoredTensor& weight = *module.find(weight_part);
  const Scheme* found = nullptr;
  for (const Scheme& scheme : settings.schemes) {
    const int64_t width = weight_part == "weight" ? columns : PackedCodes::words(columns, scheme.bits);
    const bool fits = weight.shape == std::vector<int64_t>{rows, width} && scheme.is_symmetric != has_zeros &&
                      fits_scales(scheme, scales, rows, columns);
    if (!fits) continue;
    // int8 storage holds numbers of fewer bits too, and without zero points they mean the same.
    if (found != nullptr && (weight_part != "weight" || found->group_size != scheme.group_size)) {
      module.fail(weight_part, "more than one of config_groups fits its shape");
    }
    if (found == nullptr || scheme.bits > found->bits) found = &scheme;
  }
  if (found != nullptr) return *found;
  if (settings.schemes.size() == 1) {
    const Scheme& scheme = settings.schemes[0];
    if (scheme.group_size != 0 && columns % scheme.group_size != 0) {
      module.fail(weight_part, fmt::format("groups of {} columns do not divide {}", scheme.group_size, columns));
    }
    if (!scheme.is_symmetric && !has_zeros) {
      module.fail("weight_zero_point",
                  "is missing, though config_groups says that zero points differ (symmetric: false)");
    }
    if (scheme.is_symmetric && has_zeros) {
      module.fail("weight_zero_point", "is there, though config_groups says that there are none (symmetric: true)");
    }
  }
  module.fail(weight_part,
              fmt::format("has shape {}, and its scales {}: no weights of config_groups for a weight of shape {}",
                          weight.shape, scales.shape, std::array{rows, columns}));
}

void check_shape_tensor(const ModuleParts& module, const StoredTensor& tensor, const std::vector<int64_t>& shape) {
  std::vector<int64_t> said(2);
  for (size_t i = 0; i < 2; ++i) {
    const auto bytes = static_cast<size_t>(bytes_per_block(tensor.type));
    int32_t narrow = 0;
    if (bytes == 4) std::memcpy(&narrow, tensor.data.data() + i * bytes, bytes);
    if (bytes == 8) std::memcpy(&said[i], tensor.data.data() + i * bytes, bytes);
    if (bytes == 4) said[i] = narrow;
  }
  if (said != shape) module.fail("weight_shape", fmt::format("says {}, the configuration needs {}", said, shape));
}

ScaleGrid grid_of(const StoredTensor& scales, int64_t groups) {
  return {scales, scales.elements() == 1 ? 0 : groups, 1};
}

std::unique_ptr<PackedWeight> find_compressed(const CompressedSettings& settings, ModuleParts& module,
                                              const std::vector<int64_t>& shape) {
  const bool is_packed = module.has("weight_packed");
  const StoredTensor* plain = module.find("weight");
  if (!is_packed && (plain == nullptr || plain->type != StoredType::i8)) return nullptr;
  const std::string_view part = is_packed ? "weight_packed" : "weight";
  if (settings.schemes.empty()) module.fail(part, "holds integers, and config_groups has no weights of type int");
  if (is_packed && plain != nullptr) module.fail(part, "the weight is there plain too");
  if (module.has("weight_g_idx")) module.fail("weight_g_idx", "columns in another order are not known here");
  const int64_t rows = shape[0], columns = shape[1];
  const StoredTensor& weight = module.take(part, {is_packed ? StoredType::i32 : StoredType::i8});
  const StoredTensor& scales = module.take("weight_scale", scale_types);
  const Scheme& scheme = scheme_of(settings, module, scales, part, rows, columns);
  const int64_t groups = groups_of(scheme, columns);
  AffineNumbers numbers{.scales = grid_of(scales, groups), .groups = groups, .group_size = columns / groups};
  if (is_packed) {
    check_shape_tensor(module, module.take("weight_shape", {StoredType::i64, StoredType::i32}, {2}), shape);
    numbers.codes = {.data = weight.data, .bits = scheme.bits, .line = weight.shape[1] * 4};
    numbers.zero = 1 << (scheme.bits - 1);
  } else {
    numbers.codes = {.data = weight.data, .bits = 8, .line = columns, .flipped = 0x80};
    numbers.zero = 0x80;
  }
  if (!scheme.is_symmetric && is_packed) {
    const int64_t lines = PackedCodes::words(rows, scheme.bits);
    const StoredTensor& zeros = module.take("weight_zero_point", {StoredType::i32}, {lines, groups});
    numbers.zeros = {
        .data = zeros.data, .bits = scheme.bits, .line = groups * 4, .packs_rows = true, .words_first = true};
  } else if (!scheme.is_symmetric) {
    const StoredTensor& zeros = module.take("weight_zero_point", {StoredType::i8}, scales.shape);
    numbers.zeros = {.data = zeros.data, .bits = 8, .line = zeros.elements() == 1 ? 0 : groups, .flipped = 0x80};
  }
  numbers.zeros_place = module.place("weight_zero_point");
  // Of activations, for programs that round them too.
  for (const char* other : {"input_scale", "input_zero_point", "output_scale", "output_zero_point"}) {
    module.take_if_there(other);
  }
  const std::string form = scales.elements() == 1 && rows * groups > 1
                               ? fmt::format("int{}", scheme.bits)
                               : integer_form(scheme.bits, groups, columns / groups);
  return std::make_unique<AffineWeight>(PackedWeight::Description{fmt::format("compressed-tensors {}", form),
                                                                  module.label(), scales.type, shape, module.taken()},
                                        std::move(numbers));
}

}  // namespace

PackedForm compressed_tensors_form(const JsonView& quantization) {
  std::vector<std::string> warnings;
  CompressedSettings settings = parse_compressed_settings(quantization, warnings);
  return {[settings = std::move(settings)](ModuleParts& module, const std::vector<int64_t>& shape) {
            return find_compressed(settings, module, shape);
          },
          std::move(warnings)};
}

}  // namespace sleb
