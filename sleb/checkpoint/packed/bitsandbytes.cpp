#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/encode.h"
#include "sleb/checkpoint/packed/packed_formats.h"

namespace sleb {
namespace {

using Table = std::array<float, 16>;

// functional.py, get_4bit_type: nf4 (QLoRA, arXiv 2305.14314, appendix E) and fp4, divided by the largest.
constexpr Table nf4_values = {-1.0F,
                              -0.6961928009986877F,
                              -0.5250730514526367F,
                              -0.39491748809814453F,
                              -0.28444138169288635F,
                              -0.18477343022823334F,
                              -0.09105003625154495F,
                              0.0F,
                              0.07958029955625534F,
                              0.16093020141124725F,
                              0.24611230194568634F,
                              0.33791524171829224F,
                              0.44070982933044434F,
                              0.5626170039176941F,
                              0.7229568362236023F,
                              1.0F};
constexpr Table fp4_values = {0.0F,  0.0625F / 12,  8.0F / 12,  1.0F,  4.0F / 12,  6.0F / 12,  2.0F / 12,  3.0F / 12,
                              -0.0F, -0.0625F / 12, -8.0F / 12, -1.0F, -4.0F / 12, -6.0F / 12, -2.0F / 12, -3.0F / 12};

constexpr std::string_view state_beginning = "weight.quant_state.bitsandbytes__";

float float_at(const StoredTensor& tensor, int64_t index) {
  float value = 0;
  std::memcpy(&value, tensor.data.data() + static_cast<size_t>(index) * sizeof(value), sizeof(value));
  return value;
}

// What the JSON text beside a weight says.
struct QuantState {
  bool is_nf4;
  int64_t block;  // values that share a scale
  StoredType type;
  bool is_nested;
  int64_t nested_block = 1;
  float nested_offset = 0;
};

QuantState parse_state(const StoredTensor& tensor, const std::string& place, const std::vector<int64_t>& shape) {
  constexpr size_t longest = 4096;
  if (tensor.data.size() > longest) bad_input("{}: {} bytes are no quant_state", place, tensor.data.size());
  const std::string text(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
  const Json document = parse_json(text, place);
  const JsonView state(document, place);
  if (!state.is_object()) state.fail("expected an object");
  check_members(state,
                {"quant_type", "blocksize", "dtype", "shape", "nested_blocksize", "nested_dtype", "nested_offset"});
  const std::string& kind = state.at("quant_type").string();
  if (kind != "nf4" && kind != "fp4") state.at("quant_type").fail(fmt::format("{} is not nf4 or fp4", quote(kind)));
  QuantState parsed{.is_nf4 = kind == "nf4",
                    .block = state.at("blocksize").integer(32, 4096),
                    .type = StoredType::f32,
                    .is_nested = state.has("nested_offset") || state.has("nested_blocksize")};
  if ((parsed.block & (parsed.block - 1)) != 0) state.at("blocksize").fail("expected a power of 2");
  const std::string& type = state.at("dtype").string();
  if (type == "float16") parsed.type = StoredType::f16;
  if (type == "bfloat16") parsed.type = StoredType::bf16;
  if (parsed.type == StoredType::f32 && type != "float32") {
    state.at("dtype").fail(fmt::format("{} is not known here (float16, bfloat16 and float32 are)", quote(type)));
  }
  std::vector<int64_t> said;
  for (size_t i = 0; i < state.at("shape").size(); ++i) said.push_back(state.at("shape").at(i).integer(0));
  if (said != shape) state.at("shape").fail(fmt::format("is {}, the configuration needs {}", said, shape));
  if (parsed.is_nested) {
    if (state.string_or("nested_dtype", "float32") != "float32") {
      state.at("nested_dtype").fail("types other than float32 are not known here");
    }
    parsed.nested_block = state.at("nested_blocksize").integer(1, 1 << 20);
    parsed.nested_offset = static_cast<float>(state.at("nested_offset").number());
  }
  return parsed;
}

int64_t blocks_in(int64_t length, int64_t block) {
  return (length + block - 1) / block;
}

class FourBitWeight : public PackedWeight {
 public:
  struct Numbers {
    StoredTensor codes;
    StoredTensor largest;  // "absmax"
    std::optional<StoredTensor> nested_table, nested_largest;
  };

  FourBitWeight(Description description, const QuantState& state, Numbers numbers)
      : PackedWeight(std::move(description)), state_(state), numbers_(std::move(numbers)) {}

  void decode_rows(int64_t first, int64_t count, std::span<float> out) const override {
    const Table& table = state_.is_nf4 ? nf4_values : fp4_values;
    const auto* bytes = reinterpret_cast<const uint8_t*>(numbers_.codes.data.data());
    const int64_t end = (first + count) * columns();
    float* next = out.data();
    for (int64_t i = first * columns(); i < end;) {
      const int64_t block = i / state_.block;
      const int64_t block_end = std::min(end, (block + 1) * state_.block);
      const float scale = scale_of(block);
      for (; i < block_end; ++i) *next++ = table[bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0x0f] * scale;
    }
    round_to(value_type(), out);
  }

  void check() const override {
    for (int64_t block = 0; block < blocks_in(rows() * columns(), state_.block); ++block) scale_of(block);
  }

 private:
  float scale_of(int64_t block) const {
    float scale = 0;
    if (state_.is_nested) {
      const auto code = std::to_integer<int64_t>(numbers_.largest.data[static_cast<size_t>(block)]);
      scale = float_at(*numbers_.nested_table, code) * float_at(*numbers_.nested_largest, block / state_.nested_block);
      scale += state_.nested_offset;
    } else {
      scale = float_at(numbers_.largest, block);
    }
    if (std::isfinite(scale)) return scale;
    bad_input("{}: tensor {}: scale {} is {}, not a finite number", label(), quote(numbers_.largest.name), block,
              scale);
  }

  QuantState state_;
  Numbers numbers_;
};

class EightBitWeight : public PackedWeight {
 public:
  EightBitWeight(Description description, StoredTensor codes, StoredTensor scales)
      : PackedWeight(std::move(description)), codes_(std::move(codes)), scales_(std::move(scales)) {}

  void decode_rows(int64_t first, int64_t count, std::span<float> out) const override {
    constexpr float inverse = 7.874015718698502e-3F;  // of 127, as _op.py writes it
    const auto* codes = reinterpret_cast<const int8_t*>(codes_.data.data()) + first * columns();
    const auto width = static_cast<size_t>(columns());
    for (int64_t row = 0; row < count; ++row, codes += width) {
      const float scale = scale_of(first + row);
      float* values = out.data() + static_cast<size_t>(row) * width;
      for (size_t i = 0; i < width; ++i) values[i] = static_cast<float>(codes[i]) * scale * inverse;
    }
  }

  void check() const override {
    for (int64_t row = 0; row < rows(); ++row) scale_of(row);
  }

 private:
  float scale_of(int64_t row) const {
    const float scale = float_at(scales_, row);
    if (std::isfinite(scale)) return scale;
    bad_input("{}: tensor {}: scale {} is {}, not a finite number", label(), quote(scales_.name), row, scale);
  }

  StoredTensor codes_, scales_;
};

void check_table(const ModuleParts& module, const StoredTensor& stored, const QuantState& state) {
  const Table& table = state.is_nf4 ? nf4_values : fp4_values;
  for (size_t i = 0; i < table.size(); ++i) {
    const float value = float_at(stored, static_cast<int64_t>(i));
    if (std::abs(value - table[i]) <= 1e-6F) continue;
    module.fail("weight.quant_map",
                fmt::format("value {} is {}, and {}'s is {}", i, value, state.is_nf4 ? "nf4" : "fp4", table[i]));
  }
}

std::unique_ptr<PackedWeight> find_four_bits(ModuleParts& module, const std::vector<int64_t>& shape) {
  const std::vector<std::string> states = module.parts_beginning(state_beginning);
  if (states.size() != 1) {
    const std::string name = states.empty() ? std::string(state_beginning) + "nf4" : states[1];
    module.fail(name,
                states.empty() ? "is missing, which says how the weight is quantised" : "is a second quant_state");
  }
  const StoredTensor& codes = module.take("weight", {StoredType::u8, StoredType::i8, StoredType::f16, StoredType::bf16,
                                                     StoredType::f32, StoredType::f64});  // bnb_4bit_quant_storage
  const QuantState state = parse_state(module.take(states[0], {StoredType::u8}), module.place(states[0]), shape);
  if (!states[0].ends_with(state.is_nf4 ? "nf4" : "fp4"))
    module.fail(states[0], "quant_type is another than its name's");
  const int64_t count = count_elements(shape).value();
  const auto unit = static_cast<uint64_t>(bytes_per_block(codes.type));
  const uint64_t needed = static_cast<uint64_t>(blocks_in(count, 2));
  if (codes.data.size() != (needed + unit - 1) / unit * unit) {
    module.fail("weight",
                fmt::format("has shape {}, and 4 bits for each of {} values are {} bytes", codes.shape, count, needed));
  }
  const int64_t blocks = blocks_in(count, state.block);
  FourBitWeight::Numbers numbers{.codes = codes, .largest = {}, .nested_table = {}, .nested_largest = {}};
  numbers.largest = module.take("weight.absmax", {state.is_nested ? StoredType::u8 : StoredType::f32}, {blocks});
  check_table(module, module.take("weight.quant_map", {StoredType::f32}, {16}), state);
  if (state.is_nested) {
    numbers.nested_table = module.take("weight.nested_quant_map", {StoredType::f32}, {256});
    numbers.nested_largest =
        module.take("weight.nested_absmax", {StoredType::f32}, {blocks_in(blocks, state.nested_block)});
  }
  return std::make_unique<FourBitWeight>(
      PackedWeight::Description{fmt::format("bitsandbytes {}{} in groups of {}", state.is_nf4 ? "nf4" : "fp4",
                                            state.is_nested ? " (scales in 8 bits)" : "", state.block),
                                module.label(), state.type, shape, module.taken()},
      state, std::move(numbers));
}

std::unique_ptr<PackedWeight> find_eight_bits(ModuleParts& module, const std::vector<int64_t>& shape) {
  const StoredTensor& codes = module.take("weight", {StoredType::i8}, shape);
  const StoredTensor& scales = module.take("SCB", {StoredType::f32}, {shape[0]});
  if (const StoredTensor* form = module.find("weight_format")) {
    // 0: rows, as they are; others are layouts of one kind of GPU.
    module.take_if_there("weight_format");
    const bool is_rows =
        is_integer(form->type) && std::ranges::all_of(form->data, [](std::byte byte) { return byte == std::byte{0}; });
    if (!is_rows) module.fail("weight_format", "layouts other than 0, row by row, are not known here");
  }
  return std::make_unique<EightBitWeight>(
      PackedWeight::Description{"bitsandbytes int8 by row", module.label(), StoredType::f32, shape, module.taken()},
      codes, scales);
}

}  // namespace

PackedForm bitsandbytes_form(const JsonView& quantization) {
  check_members(quantization,
                {"quant_method", "load_in_4bit", "load_in_8bit", "_load_in_4bit", "_load_in_8bit",
                 "bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "bnb_4bit_quant_storage", "llm_int8_skip_modules"},
                {"bnb_4bit_compute_dtype", "llm_int8_threshold", "llm_int8_enable_fp32_cpu_offload"});
  const auto loads = [&](const char* one, const char* other) {
    return quantization.boolean_or(one, quantization.boolean_or(other, false));
  };
  const bool four = loads("load_in_4bit", "_load_in_4bit"), eight = loads("load_in_8bit", "_load_in_8bit");
  if (four == eight) quantization.fail("expected one of load_in_4bit and load_in_8bit");
  PackedForm form{[four](ModuleParts& module, const std::vector<int64_t>& shape) -> std::unique_ptr<PackedWeight> {
    const StoredTensor* weight = module.find("weight");
    const bool has_state = module.has("weight.absmax") || !module.parts_beginning(state_beginning).empty();
    if (weight == nullptr || (!is_integer(weight->type) && !has_state)) return nullptr;
    if (four == (weight->type == StoredType::i8 && !has_state)) {
      module.fail("weight", fmt::format("is {}, and quantization_config says load_in_{}bit", name_of(weight->type),
                                        four ? 4 : 8));
    }
    return four ? find_four_bits(module, shape) : find_eight_bits(module, shape);
  }};
  if (eight) {
    form.warnings.push_back(fmt::format(
        "{}: LLM.int8 rounds activations too where the model is served; sleb computes with them as they are",
        quantization.place()));
  }
  return form;
}

}  // namespace sleb
