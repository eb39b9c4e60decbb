#include <fmt/ranges.h>

#include <array>

#include "sleb/checkpoint/packed/affine_weight.h"
#include "sleb/checkpoint/packed/packed_formats.h"

namespace sleb {
namespace {

constexpr int awq_bits = 4;
constexpr int64_t numbers_a_word = 32 / awq_bits;

struct AwqSettings {
  int64_t group_size;  // -1: all columns
  bool is_gemv;
};

// autoawq's own file calls them w_bit, q_group_size and version, transformers 5 calls the version format.
int64_t either(const JsonView& quantization, const char* one, const char* other, int64_t otherwise) {
  return quantization.integer_or(one, quantization.integer_or(other, otherwise));
}

AwqSettings parse_awq_settings(const JsonView& quantization) {
  check_members(quantization,
                {"quant_method", "bits", "w_bit", "group_size", "q_group_size", "zero_point", "version", "format",
                 "modules_to_not_convert", "pack_dtype"},
                {"backend",
                 "do_fuse",
                 "fuse_max_seq_len",
                 "modules_to_fuse",
                 "exllama_config",
                 "sym",
                 "desc_act",
                 "damp_percent",
                 "act_group_aware",
                 "true_sequential",
                 "tokenizer",
                 "dataset",
                 "batch_size",
                 "pad_token_id",
                 "max_input_length",
                 "model_seqlen",
                 "block_name_to_quantize",
                 "module_name_preceding_first_block",
                 "modules_in_block_to_quantize",
                 "cache_block_outputs",
                 "meta",
                 "lm_head",
                 "_commit_hash"});
  const int64_t said_bits = either(quantization, "bits", "w_bit", awq_bits);
  if (said_bits != awq_bits) quantization.fail(fmt::format("AWQ of {} bits is not known here (4 are)", said_bits));
  const std::string version = quantization.string_or("version", quantization.string_or("format", "gemm"));
  const bool is_gemv = version == "gemv" || version == "GEMV";
  if (!is_gemv && version != "gemm" && version != "GEMM") {
    quantization.fail(fmt::format("version {} of AWQ is not known here (gemm and gemv are)", quote(version)));
  }
  if (quantization.string_or("pack_dtype", "int32") != "int32") {
    quantization.at("pack_dtype").fail("words other than int32 are not known here");
  }
  const int64_t group_size = either(quantization, "group_size", "q_group_size", 128);
  if (group_size != -1 && group_size < 1) quantization.fail("group_size: expected a number of columns, or -1");
  return {group_size, is_gemv};
}

// gemv.py, calculate_zeros_width.
int64_t zeros_width(int64_t groups, int64_t group_size, const ModuleParts& module) {
  const int64_t multiple = group_size >= 128 ? 1 : group_size == 64 ? 2 : group_size == 32 ? 4 : 0;
  if (multiple == 0) module.fail("qzeros", fmt::format("groups of {} columns are not part of AWQ gemv", group_size));
  const int64_t width = (groups + numbers_a_word - 1) / numbers_a_word;
  return (width + multiple - 1) / multiple * multiple;
}

std::unique_ptr<PackedWeight> find_awq(const AwqSettings& settings, ModuleParts& module,
                                       const std::vector<int64_t>& shape) {
  if (!module.has("qweight")) return nullptr;
  const int64_t rows = shape[0], columns = shape[1];
  const int64_t group_size = settings.group_size == -1 ? columns : settings.group_size;
  if (columns % group_size != 0) {
    module.fail("qweight", fmt::format("groups of {} columns do not divide {}", group_size, columns));
  }
  const int64_t packed = settings.is_gemv ? columns : rows;
  if (packed % numbers_a_word != 0) {
    module.fail("qweight", fmt::format("{} numbers of 4 bits are not whole words", packed));
  }
  const int64_t groups = columns / group_size;
  AffineNumbers numbers{.groups = groups, .group_size = group_size};
  const auto take_words = [&](const char* part, int64_t lines, int64_t words, NibbleOrder order, bool packs_rows) {
    const StoredTensor& tensor = module.take(part, {StoredType::i32}, {lines, words});
    return PackedCodes{
        .data = tensor.data, .bits = awq_bits, .line = words * 4, .packs_rows = packs_rows, .order = order};
  };
  if (settings.is_gemv) {
    const int64_t width = zeros_width(groups, group_size, module);
    numbers.codes = take_words("qweight", rows, columns / numbers_a_word, NibbleOrder::ascending, false);
    numbers.zeros = take_words("qzeros", rows, width, NibbleOrder::ascending, false);
    numbers.scales = {module.take("scales", scale_types, {rows, width * numbers_a_word}), width * numbers_a_word, 1};
  } else {
    numbers.codes = take_words("qweight", columns, rows / numbers_a_word, NibbleOrder::awq, true);
    numbers.zeros = take_words("qzeros", groups, rows / numbers_a_word, NibbleOrder::awq, true);
    numbers.scales = {module.take("scales", scale_types, {groups, rows}), 1, rows};
  }
  numbers.zeros_place = module.place("qzeros");
  const StoredType type = numbers.scales.tensor.type;
  return std::make_unique<AffineWeight>(
      PackedWeight::Description{
          fmt::format("AWQ {}{}", settings.is_gemv ? "gemv " : "", integer_form(awq_bits, groups, group_size)),
          module.label(), type, shape, module.taken()},
      std::move(numbers));
}

}  // namespace

PackedForm awq_form(const JsonView& quantization) {
  return {[settings = parse_awq_settings(quantization)](ModuleParts& module, const std::vector<int64_t>& shape) {
    return find_awq(settings, module, shape);
  }};
}

}  // namespace sleb
