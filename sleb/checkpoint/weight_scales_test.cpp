#include "sleb/checkpoint/weight_scales.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/safetensors.h"
#include "tests/untrusted_file.h"

namespace sleb {
namespace {
using testing_files::bytes_of;
using testing_files::refusal_of;
using testing_files::TemporaryFolder;

constexpr std::string_view blocks_of_4_by_8 = R"({"quantization_config":{"quant_method":"fp8",
    "weight_block_size":[4,8]}})";

struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string data;
};

std::string floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += bytes_of(value);
  return bytes;
}

// 8-bit ones (E4M3).
Tensor weight(const std::vector<int64_t>& shape) {
  const auto count = static_cast<size_t>(count_elements(shape).value());
  return {"a.weight", "F8_E4M3", shape, std::string(count, '\x38')};
}

Tensor scale(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
  return {name, "F32", shape, floats(values)};
}

std::set<std::string> names_of(const std::map<std::string, StoredTensor>& tensors) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) names.insert(name);
  return names;
}

// A safetensors file of some tensors, and the scales found in it.
class Scales {
 public:
  explicit Scales(const std::vector<Tensor>& tensors, std::string_view config = "{}")
      : reader_(SafetensorsReader::open_file(folder_.write("x.safetensors", file_of(tensors)))),
        config_(parse_json(config, "config.json")),
        scales_(find_weight_scales(reader_.tensors(), names_of(reader_.integers()), {"a.weight", "absent.weight"},
                                   JsonView(config_, "config.json"), "model")) {}

  const WeightScale& of_a() const { return scales_.at("a.weight"); }
  size_t size() const { return scales_.size(); }
  // The values of `rows` rows of a.weight from `first` on, [rows, columns].
  std::vector<float> rows(int64_t first, int64_t count) const {
    const StoredTensor& stored = reader_.tensors().at("a.weight");
    const int64_t columns = stored.shape.back();
    std::vector<float> values(static_cast<size_t>(count * columns));
    decode(stored.type, stored.data.subspan(static_cast<size_t>(first * columns), values.size()), values);
    apply_scales(of_a(), first, columns, values, "model");
    return values;
  }

 private:
  static std::string file_of(const std::vector<Tensor>& tensors) {
    std::string header, data;
    for (const Tensor& tensor : tensors) {
      const size_t begin = data.size();
      data += tensor.data;
      header +=
          fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", header.empty() ? "{" : ",",
                      tensor.name, tensor.dtype, fmt::join(tensor.shape, ","), begin, data.size());
    }
    header += '}';
    return bytes_of<uint64_t>(header.size()) + header + data;
  }

  TemporaryFolder folder_;
  SafetensorsReader reader_;
  Json config_;
  std::map<std::string, WeightScale> scales_;
};

std::string refusal(const std::vector<Tensor>& tensors, std::string_view config = "{}") {
  return refusal_of([&] { Scales(tensors, config); });
}

TEST(WeightScales, OneForAll) {
  for (const std::string name : {"a.weight_scale", "a.weight_scale_inv"}) {
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {1}, {1, 1}}) {
      EXPECT_EQ(Scales({weight({3, 2}), scale(name, shape, {0.5})}).rows(1, 2), std::vector<float>(4, 0.5F));
    }
  }
  EXPECT_EQ(Scales({weight({3}), scale("a.weight_scale", {}, {0.5})}).rows(0, 1), std::vector<float>(3, 0.5F));
}

TEST(WeightScales, OneARow) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3}, {3, 1}}) {
    const Scales scales({weight({3, 2}), scale("a.weight_scale", shape, {1, 2, 3})});
    EXPECT_EQ(scales.rows(0, 3), (std::vector<float>{1, 1, 2, 2, 3, 3}));
    EXPECT_EQ(scales.rows(2, 1), (std::vector<float>{3, 3}));
  }
}

TEST(WeightScales, BlocksNeedNotFit) {
  std::vector<float> grid(6);
  std::iota(grid.begin(), grid.end(), 1.0F);
  const Scales scales({weight({9, 10}), scale("a.weight_scale_inv", {3, 2}, grid)}, blocks_of_4_by_8);
  const std::vector<float> values = scales.rows(0, 9);
  for (size_t row = 0; row < 9; ++row) {
    for (size_t column = 0; column < 10; ++column) {
      EXPECT_EQ(values[row * 10 + column], grid[row / 4 * 2 + column / 8]) << row << ", " << column;
    }
  }
  EXPECT_EQ(scales.rows(5, 2), std::vector<float>(values.begin() + 50, values.begin() + 70));
}

TEST(WeightScales, TheConfigurationSaysHowLargeABlockIs) {
  const auto blocks = [](const char* quantization) {
    const Scales scales({weight({200, 256}), scale("a.weight_scale_inv", {2, 2}, {1, 2, 3, 4})},
                        fmt::format(R"({{"quantization_config":{}}})", quantization));
    return std::pair(scales.of_a().block_rows, scales.of_a().block_columns);
  };
  EXPECT_EQ(blocks(R"({"quant_method":"fp8"})"), std::pair(int64_t{128}, int64_t{128}));
  EXPECT_EQ(blocks(R"({"quant_method":"x","weight_block_size":[100,200]})"), std::pair(int64_t{100}, int64_t{200}));
  EXPECT_EQ(blocks(R"({"quant_method":"compressed-tensors","config_groups":{"group_0":{"weights":{
                      "block_structure":[128,128]}},"group_1":{"weights":null},"group_2":{"weights":{
                      "block_structure":null}}}})"),
            std::pair(int64_t{128}, int64_t{128}));
}

TEST(WeightScales, NarrowTypes) {
  const auto half = [](const std::string& dtype, uint16_t bits) {
    return Scales({weight({2, 2}), {"a.weight_scale", dtype, {1}, bytes_of(bits)}}).rows(0, 1);
  };
  EXPECT_EQ(half("F16", 0x4200), (std::vector<float>{3, 3}));
  EXPECT_EQ(half("BF16", 0x4040), (std::vector<float>{3, 3}));
}

TEST(WeightScales, OtherTypesHaveNone) {
  EXPECT_EQ(Scales({{"a.weight", "BF16", {2}, std::string(4, '\0')}}).size(), 0U);
  // A broken quantization_config is of no interest then.
  EXPECT_EQ(Scales({{"a.weight", "BF16", {2}, std::string(4, '\0')}}, R"({"quantization_config":3})").size(), 0U);
}

TEST(WeightScales, RefusesMissingScales) {
  EXPECT_EQ(refusal({weight({2, 2})}),
            "model: tensor 'a.weight': F8_E4M3 without scales: neither 'a.weight_scale_inv' nor 'a.weight_scale' is "
            "there");
  EXPECT_EQ(refusal({{"a.weight", "F8_E5M2", {1}, "1"}, scale("a.scale", {}, {1})}),
            "model: tensor 'a.weight': F8_E5M2 without scales: neither 'a.weight_scale_inv' nor 'a.weight_scale' is "
            "there");
  EXPECT_EQ(refusal({weight({2, 2}), scale("a.weight_scale", {}, {1}), scale("a.weight_scale_inv", {}, {1})}),
            "model: tensor 'a.weight_scale': 'a.weight_scale_inv' is there too");
}

TEST(WeightScales, RefusesWrongTypes) {
  const auto typed = [](const std::string& dtype, size_t bytes) {
    return refusal({weight({2, 2}), {"a.weight_scale", dtype, {}, std::string(bytes, '\1')}});
  };
  const std::string expected = "model: tensor 'a.weight_scale': scales must be F32, F16 or BF16";
  EXPECT_EQ(typed("U8", 1), expected);
  EXPECT_EQ(typed("I32", 4), expected);
  EXPECT_EQ(typed("F8_E4M3", 1), expected + ", not F8_E4M3");
}

TEST(WeightScales, RefusesWrongShapes) {
  const auto shaped = [](const std::vector<int64_t>& shape, std::string_view config) {
    const auto count = static_cast<size_t>(count_elements(shape).value());
    return refusal({weight({9, 10}), scale("a.weight_scale_inv", shape, std::vector<float>(count, 1))}, config);
  };
  const auto expected = [](std::string_view shape, std::string_view more) {
    return fmt::format(
        "model: tensor 'a.weight_scale_inv': shape {}, but scales of a weight of shape [9, 10] are [] or [1] or [9] or "
        "[9, 1]{}",
        shape, more);
  };
  const std::string_view no_blocks = "; config.json's quantization_config names no block size";
  const std::string_view blocks = " or [3, 2] (in blocks of 4 x 8)";
  EXPECT_EQ(shaped({3, 2}, "{}"), expected("[3, 2]", no_blocks));
  EXPECT_EQ(shaped({3, 2}, R"({"quantization_config":{"quant_method":"fp8","weight_block_size":null}})"),
            expected("[3, 2]", no_blocks));
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{2, 3}, {3, 3}, {2, 2}, {6}, {10}, {1, 9}, {1, 10}, {9, 10}, {9, 1, 1}, {0}, {3, 0}}) {
    EXPECT_EQ(shaped(shape, blocks_of_4_by_8), expected(fmt::format("{}", shape), blocks));
  }
  EXPECT_EQ(
      refusal({weight({3}), scale("a.weight_scale", {3}, {1, 1, 1})}),
      "model: tensor 'a.weight_scale': shape [3], but scales of a weight of shape [3] are [] or [1]; config.json's "
      "quantization_config names no block size");
}

TEST(WeightScales, RefusesBadBlockSizes) {
  const auto configured = [](std::string_view quantization) {
    return refusal({weight({9, 10}), scale("a.weight_scale_inv", {3, 2}, std::vector<float>(6, 1))},
                   fmt::format(R"({{"quantization_config":{}}})", quantization));
  };
  const std::string place = "config.json: quantization_config";
  EXPECT_EQ(configured(R"({"weight_block_size":[4]})"),
            place + ".weight_block_size: expected two numbers, a block's rows and columns");
  EXPECT_EQ(configured(R"({"weight_block_size":[4,0]})"), place + ".weight_block_size[1]: 0 is less than 1");
  EXPECT_EQ(configured(R"({"weight_block_size":[-4,8]})"), place + ".weight_block_size[0]: -4 is less than 1");
  EXPECT_EQ(configured(R"({"weight_block_size":[4,1e3]})"), place + ".weight_block_size[1]: expected a whole number");
  EXPECT_EQ(configured(R"({"weight_block_size":[4,9223372036854775807]})"),
            place + ".weight_block_size[1]: 9223372036854775807 is more than 2147483648");
  EXPECT_EQ(configured(R"({"weight_block_size":"4x8"})"), place + ".weight_block_size: expected an array");
  EXPECT_EQ(configured(R"([])"), place + ": expected an object");
  EXPECT_EQ(configured(R"({"config_groups":[]})"), place + ".config_groups: expected an object");
  EXPECT_EQ(configured(R"({"config_groups":{"g":{"weights":{"block_structure":[4,8]}},
                                            "h":{"weights":{"block_structure":[8,8]}}}})"),
            place + ".config_groups.h.weights.block_structure: blocks of several sizes are not known here");
}

TEST(WeightScales, RefusesScalesThatAreNotPositiveNumbers) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::pair<float, std::string> cases[] = {{0.0F, "0"},       {-0.0F, "-0"},       {-1.5F, "-1.5"},
                                                 {infinity, "inf"}, {-infinity, "-inf"}, {std::nanf(""), "nan"}};
  for (const auto& [value, text] : cases) {
    const Scales scales({weight({9, 10}), scale("a.weight_scale_inv", {3, 2}, {1, 1, 1, value, 1, 1})},
                        blocks_of_4_by_8);
    const std::string expected =
        fmt::format("model: tensor 'a.weight_scale_inv': scale 3 is {}, not a positive number", text);
    EXPECT_EQ(refusal_of([&] { scales.rows(0, 9); }), expected);
    EXPECT_EQ(refusal_of([&] { scales.rows(7, 1); }), expected);
    EXPECT_EQ(refusal_of([&] { check_scales(scales.of_a(), "model"); }), expected);
    EXPECT_EQ(scales.rows(0, 4), std::vector<float>(40, 1));  // not under that scale
  }
}

TEST(WeightScales, ActivationScalesAreKnownByTheirNames) {
  EXPECT_TRUE(is_activation_scale("model.layers.0.mlp.up_proj.input_scale"));
  EXPECT_TRUE(is_activation_scale("model.layers.0.self_attn.k_scale"));
  EXPECT_FALSE(is_activation_scale("model.layers.0.mlp.up_proj.weight_scale"));
  EXPECT_FALSE(is_activation_scale("input_scale"));
}

}  // namespace
}  // namespace sleb
