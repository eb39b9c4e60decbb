#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "sleb/checkpoint/packed/affine_weight.h"
#include "sleb/checkpoint/packed/packed_formats.h"

namespace sleb {
namespace {

constexpr std::array known_bits = {2, 3, 4, 8};

struct GptqSettings {
  int bits;
  int64_t group_size;  // -1: all columns
  bool orders_columns;
  bool has_overrides;  // for some modules by patterns: bits and groups are what the shapes say
  int zero_offset;
  std::string place;
};

// GPTQModel calls checkpoint_format format.
int zero_offset(const JsonView& quantization) {
  const std::string older = quantization.string_or("checkpoint_format", ""),
                    newer = quantization.string_or("format", "");
  if (!older.empty() && !newer.empty() && older != newer) {
    quantization.fail(fmt::format("checkpoint_format {} and format {} disagree", quote(older), quote(newer)));
  }
  const std::string format = older.empty() ? newer : older;
  if (format.empty() || format == "gptq") return 1;
  if (format == "gptq_v2") return 0;
  quantization.fail(fmt::format("checkpoint_format {} is not known here (gptq and gptq_v2 are)", quote(format)));
}

GptqSettings parse_gptq_settings(const JsonView& quantization) {
  check_members(quantization,
                {"quant_method", "bits", "group_size", "desc_act", "sym", "checkpoint_format", "format", "pack_dtype",
                 "dynamic", "lm_head", "method"},
                {"damp_percent",
                 "damp_auto_increment",
                 "static_groups",
                 "true_sequential",
                 "model_name_or_path",
                 "model_file_base_name",
                 "meta",
                 "tokenizer",
                 "dataset",
                 "batch_size",
                 "pad_token_id",
                 "use_exllama",
                 "disable_exllama",
                 "exllama_config",
                 "use_cuda_fp16",
                 "max_input_length",
                 "model_seqlen",
                 "block_name_to_quantize",
                 "module_name_preceding_first_block",
                 "modules_in_block_to_quantize",
                 "modules_to_not_convert",
                 "cache_block_outputs",
                 "backend",
                 "act_group_aware",
                 "mse",
                 "quantizer",
                 "version",
                 "cache_examples_on_gpu",
                 "_commit_hash",
                 "offload_to_disk",
                 "offload_to_disk_path",
                 "pack_impl"});
  const std::string pack_type = quantization.string_or("pack_dtype", "int32");
  if (pack_type != "int32") quantization.at("pack_dtype").fail("words other than int32 are not known here");
  const int64_t bits = quantization.at("bits").integer();
  if (std::ranges::find(known_bits, bits) == known_bits.end()) {
    quantization.at("bits").fail(fmt::format("{} bits are not known here ({} are)", bits, fmt::join(known_bits, ", ")));
  }
  const int64_t group_size = quantization.integer_or("group_size", -1);
  if (group_size != -1 && group_size < 1) quantization.at("group_size").fail("expected a number of columns, or -1");
  const auto overrides = quantization.find("dynamic");
  return {.bits = static_cast<int>(bits),
          .group_size = group_size,
          .orders_columns = quantization.boolean_or("desc_act", false),
          .has_overrides = overrides && !overrides->raw().empty(),
          .zero_offset = zero_offset(quantization),
          .place = quantization.place()};
}

int bits_of(const GptqSettings& settings, const ModuleParts& module, const StoredTensor& words, int64_t rows,
            int64_t columns) {
  const bool fits = words.shape.size() == 2 && words.shape[1] == rows;
  for (const int bits : known_bits) {
    const bool is_allowed = bits == settings.bits || settings.has_overrides;
    if (fits && is_allowed && columns * bits % 32 == 0 && words.shape[0] == columns * bits / 32) return bits;
  }
  module.fail("qweight", fmt::format("has shape {}, which {} bits of a weight of shape {} can't be", words.shape,
                                     settings.bits, std::array{rows, columns}));
}

int64_t groups_of(const GptqSettings& settings, const ModuleParts& module, const StoredTensor& scales,
                  int64_t columns) {
  const int64_t group_size = settings.group_size == -1 ? columns : settings.group_size;
  if (columns % group_size != 0 && !settings.has_overrides) {
    module.fail("qweight", fmt::format("groups of {} columns do not divide {}", group_size, columns));
  }
  const int64_t found = scales.shape.empty() ? 0 : scales.shape[0];
  const int64_t expected = settings.has_overrides ? found : columns / group_size;
  if (found != expected || found == 0 || columns % found != 0) {
    module.fail("scales", fmt::format("has shape {}, which is not a row for each of {} groups", scales.shape,
                                      columns / group_size));
  }
  return found;
}

std::unique_ptr<PackedWeight> find_gptq(const GptqSettings& settings, ModuleParts& module,
                                        const std::vector<int64_t>& shape) {
  if (!module.has("qweight")) return nullptr;
  const int64_t rows = shape[0], columns = shape[1];
  const StoredTensor& words = module.take("qweight", {StoredType::i32});
  const int bits = bits_of(settings, module, words, rows, columns);
  const StoredTensor* grid = module.find("scales");
  const int64_t groups = grid != nullptr ? groups_of(settings, module, *grid, columns) : 1;
  const StoredTensor& scales = module.take("scales", scale_types, {groups, rows});
  if (rows * bits % 32 != 0) {
    module.fail("qzeros", fmt::format("{} zero points of {} bits are not whole words", rows, bits));
  }
  const StoredTensor& zeros = module.take("qzeros", {StoredType::i32}, {groups, rows * bits / 32});
  const StoredTensor* order = module.has("g_idx") ? &module.take("g_idx", {StoredType::i32}, {columns}) : nullptr;
  if (order == nullptr && settings.orders_columns && groups > 1) {
    module.fail("g_idx", "is missing, though desc_act says that columns were reordered");
  }
  AffineNumbers numbers{
      .codes = {.data = words.data, .bits = bits, .line = rows * 4, .words_first = true},
      .scales = {scales, 1, rows},
      .zeros = PackedCodes{.data = zeros.data, .bits = bits, .line = zeros.shape[1] * 4, .packs_rows = true},
      .zeros_place = module.place("qzeros"),
      .zero_offset = settings.zero_offset,
      .groups = groups,
      .group_size = columns / groups,
      .group_of_column = order != nullptr ? order->data : Bytes(),
      .groups_place = module.place("g_idx")};
  return std::make_unique<AffineWeight>(
      PackedWeight::Description{fmt::format("GPTQ {}", integer_form(bits, groups, columns / groups)), module.label(),
                                scales.type, shape, module.taken()},
      std::move(numbers));
}

}  // namespace

PackedForm gptq_form(const JsonView& quantization) {
  return {[settings = parse_gptq_settings(quantization)](ModuleParts& module, const std::vector<int64_t>& shape) {
    return find_gptq(settings, module, shape);
  }};
}

}  // namespace sleb
