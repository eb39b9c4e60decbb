#include <array>
#include <cmath>

#include "sleb/base/error.h"
#include "sleb/checkpoint/packed/packed_formats.h"

namespace sleb {
namespace {

constexpr int64_t group = 32;  // numbers that share a scale
constexpr int64_t group_bytes = 16;
constexpr int exponent_bias = 127;
constexpr uint8_t not_a_number = 255;

// E2M1: a sign, two bits of exponent, one of mantissa.
constexpr std::array<float, 16> mxfp4_values = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                                -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

uint8_t byte_at(const StoredTensor& tensor, int64_t place) {
  return std::to_integer<uint8_t>(tensor.data[static_cast<size_t>(place)]);
}

// Rows of the weight are columns of what is stored.
class Mxfp4Stack : public PackedWeight {
 public:
  Mxfp4Stack(Description description, StoredTensor blocks, StoredTensor scales)
      : PackedWeight(std::move(description)), blocks_(std::move(blocks)), scales_(std::move(scales)) {}

  void decode_rows(int64_t first, int64_t count, std::span<float> out) const override {
    const int64_t height = shape()[1];
    for (int64_t row = first; row < first + count;) {
      const int64_t expert = row / height, begin = row % height;
      const int64_t end = std::min(height, begin + first + count - row);
      decode_columns(expert, begin, end, out.subspan(static_cast<size_t>((row - first) * columns())));
      row += end - begin;
    }
  }

  std::optional<StoredType> gguf_type() const override { return StoredType::mxfp4; }

  // ggml-common.h, block_mxfp4: the exponent, then numbers i and i + 16 in one byte, the first in the low bits.
  std::vector<std::byte> gguf_blocks(int64_t expert, int64_t first, int64_t step) const override {
    const int64_t groups = shape()[1] / group;
    std::vector<std::byte> blocks;
    blocks.reserve(static_cast<size_t>(columns() / step * groups * (group_bytes + 1)));
    for (int64_t row = expert * columns() + first; row < (expert + 1) * columns(); row += step) {
      for (int64_t place = row * groups; place < (row + 1) * groups; ++place) {
        blocks.push_back(std::byte{byte_at(scales_, place)});
        for (int64_t i = 0; i < group_bytes; ++i) {
          blocks.push_back(std::byte(number(place, i) | number(place, i + group_bytes) << 4));
        }
      }
    }
    return blocks;
  }

  void check() const override {
    for (int64_t place = 0; place < scales_.elements(); ++place) {
      if (byte_at(scales_, place) == not_a_number) fail_at(place);
    }
  }

 private:
  // Columns [begin, end) of an expert's stored matrix, one below the other.
  void decode_columns(int64_t expert, int64_t begin, int64_t end, std::span<float> out) const {
    const int64_t width = columns(), groups = shape()[1] / group;
    for (int64_t place = begin / group; place * group < end; ++place) {
      const int64_t from = std::max(begin, place * group), to = std::min(end, (place + 1) * group);
      for (int64_t column = 0; column < width; ++column) {
        const int64_t scale_place = (expert * width + column) * groups + place;
        const uint8_t exponent = byte_at(scales_, scale_place);
        if (exponent == not_a_number) fail_at(scale_place);
        const float scale = std::ldexp(1.0F, exponent - exponent_bias);
        for (int64_t row = from; row < to; ++row) {
          const float value = mxfp4_values[number(scale_place, row - place * group)];
          out[static_cast<size_t>((row - begin) * width + column)] = value * scale;
        }
      }
    }
  }

  // `place`: of a group, whose number this is.
  uint8_t number(int64_t place, int64_t within) const {
    const uint8_t pair = byte_at(blocks_, place * group_bytes + within / 2);
    return pair >> (within % 2 == 0 ? 0 : 4) & 0x0f;
  }

  [[noreturn]] void fail_at(int64_t place) const {
    bad_input("{}: tensor {}: scale {} is not a number", label(), quote(scales_.name), place);
  }

  StoredTensor blocks_, scales_;
};

std::unique_ptr<PackedWeight> find_mxfp4(ModuleParts& module, const std::vector<int64_t>& shape) {
  if (!module.has("blocks") || shape.size() != 3) return nullptr;
  const int64_t experts = shape[0], in = shape[1], out = shape[2];
  if (in % group != 0) module.fail("blocks", fmt::format("groups of {} numbers do not divide {}", group, in));
  const StoredTensor& blocks = module.take("blocks", {StoredType::u8}, {experts, out, in / group, group_bytes});
  const StoredTensor& scales = module.take("scales", {StoredType::u8}, {experts, out, in / group});
  return std::make_unique<Mxfp4Stack>(
      PackedWeight::Description{"MXFP4", module.label(), StoredType::bf16, shape, module.taken()}, blocks, scales);
}

}  // namespace

PackedForm mxfp4_form(const JsonView& quantization) {
  check_members(quantization, {"quant_method", "modules_to_not_convert"}, {"_commit_hash", "dequantize"});
  return {find_mxfp4};
}

}  // namespace sleb
