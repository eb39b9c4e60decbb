#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "sleb/base/error.h"
#include "sleb/checkpoint/packed/packed_formats.h"

namespace sleb {
namespace {

constexpr const char* config_key = "quantization_config";
constexpr std::string_view weight_ending = ".weight";

struct Method {
  std::string_view name;
  PackedForm (*form)(const JsonView& quantization);  // nothing: 8-bit floats alone
  std::string_view exclusion_list;
};

// GPTQ: GPTQModel and vLLM exclude modules by patterns in `dynamic`, which optimum, transformers' loader, does not
// read. MXFP4: a block's experts can be excluded, but not one of their matrices.
constexpr Method methods[] = {
    {"gptq", gptq_form, ""},
    {"awq", awq_form, "modules_to_not_convert"},
    {"compressed-tensors", compressed_tensors_form, "ignore"},
    {"bitsandbytes", bitsandbytes_form, "llm_int8_skip_modules"},
    {"mxfp4", mxfp4_form, ""},
    {"fp8", nullptr, ""},
    {"fbgemm_fp8", nullptr, ""},
    {"modelopt", nullptr, ""},
};

const Method* find_method(std::string_view name) {
  const auto found = std::ranges::find(methods, name, &Method::name);
  return found == std::end(methods) ? nullptr : found;
}

// transformers takes a configuration without a method for bitsandbytes' where it says load_in_4bit or load_in_8bit
// (quantizers/auto.py).
std::string method_of(const JsonView& quantization) {
  if (const auto method = quantization.find("quant_method")) return method->string();
  const bool is_bitsandbytes =
      quantization.boolean_or("load_in_4bit", false) || quantization.boolean_or("load_in_8bit", false);
  return is_bitsandbytes ? "bitsandbytes" : "";
}

bool holds_zeros(const StoredTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  decode(tensor.type, tensor.data, values);
  return std::ranges::all_of(values, [](float value) { return value == 0; });
}

void refuse_unexplained(const std::map<std::string, StoredTensor>& tensors, const std::string& label) {
  for (const auto& [name, tensor] : tensors) {
    if (!is_part_of_packed(name)) continue;
    bad_input("{}: tensor {} is part of a quantised weight, but config.json has no quantization_config that says how",
              label, quote(name));
  }
}

}  // namespace

bool is_part_of_packed(std::string_view name) {
  constexpr std::string_view endings[] = {".qweight", ".weight_packed", ".absmax", "_proj_blocks"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); });
}

uint64_t PackedWeight::stored_bytes() const {
  uint64_t bytes = 0;
  for (const StoredPart& part : parts()) bytes += part.tensor.data.size();
  return bytes;
}

void PackedWeight::read_int4(const Int4Rows& /*out*/) const {
  failed("{}: {} has no integers of 4 bits", label(), form());
}

PackedWeights find_packed_weights(const std::map<std::string, StoredTensor>& tensors, const ModelSpec& spec,
                                  const JsonView& config, const std::string& label) {
  const auto quantization = config.find(config_key);
  if (!quantization) {
    refuse_unexplained(tensors, label);
    return {};
  }
  if (!quantization->is_object()) quantization->fail("expected an object");
  if (quantization->raw().empty()) return {};
  const std::string name = method_of(*quantization);
  const Method* method = find_method(name);
  if (name.empty()) {
    refuse_unexplained(tensors, label);
    return {};  // 8-bit floats need no more than their shapes
  }
  if (method == nullptr) {
    std::vector<std::string_view> known;
    for (const Method& one : methods) known.push_back(one.name);
    quantization->at("quant_method")
        .fail(fmt::format("{} is not known here ({} are)", quote(name), fmt::join(known, ", ")));
  }
  if (method->form == nullptr) return {};
  const PackedForm form = method->form(*quantization);
  PackedWeights found{{}, form.warnings};
  std::set<std::string> expected;
  for (const TensorShape& tensor : spec.tensors()) expected.insert(tensor.name);
  for (const auto& [weight, shape] : spec.tensors()) {
    if (shape.size() < 2) continue;
    const bool ends = weight.ends_with(weight_ending);
    const std::string prefix = ends ? weight.substr(0, weight.size() - weight_ending.size() + 1) : weight + "_";
    ModuleParts module(tensors, prefix, label);
    // Older programs store a bias of zeros with each weight, whether the model has one or not.
    const StoredTensor* bias = module.find("bias");
    if (bias != nullptr && !expected.contains(prefix + "bias") && !is_integer(bias->type) && holds_zeros(*bias)) {
      module.take_if_there("bias");
    }
    auto packed = form.find(module, shape);
    if (!packed) continue;
    if (spec.transposed_matrices) {
      bad_input("{}: weight {} is packed, and {}'s matrices are stored transposed: not known here together", label,
                quote(weight), spec.family);
    }
    found.weights.emplace(weight, std::move(packed));
  }
  return found;
}

std::string exclusion_list(std::string_view quant_method) {
  const Method* method = find_method(quant_method);
  return std::string(method != nullptr ? method->exclusion_list : "");
}

void check_members(const JsonView& quantization, std::initializer_list<std::string_view> read,
                   std::initializer_list<std::string_view> harmless) {
  for (const auto& [key, value] : quantization.raw().items()) {
    const bool says_nothing = value.is_null() || value == false || value == 0 ||
                              ((value.is_structured() || value.is_string()) && value.empty());
    const auto is_in = [&, &key = key](const auto& list) { return std::ranges::find(list, key) != list.end(); };
    if (says_nothing || is_in(read) || is_in(harmless)) continue;
    quantization.fail(fmt::format("{} is not known here, and may change what the weights are", quote(key)));
  }
}

std::string integer_form(int bits, int64_t groups, int64_t group_size) {
  return groups == 1 ? fmt::format("int{} by row", bits) : fmt::format("int{} in groups of {}", bits, group_size);
}

}  // namespace sleb
