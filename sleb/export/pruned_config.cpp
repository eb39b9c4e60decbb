#include "sleb/export/pruned_config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/multimodal.h"
#include "sleb/checkpoint/packed/packed_weight.h"

namespace sleb {
namespace {

// What the configuration classes of transformers 5 and the published models' own code call such lists and numbers.
constexpr std::string_view one_entry_a_block[] = {"layer_types",       "mlp_layer_types",
                                                  "layers_block_type", "block_configs",
                                                  "no_rope_layers",    "moe_layer_freq",
                                                  "num_kv_heads",      "num_query_heads",
                                                  "ffn_multipliers",   "num_key_value_heads",
                                                  "intermediate_size", "sliding_window",
                                                  "attention_layers",  "activation_sparsity_pattern"};
constexpr std::string_view block_numbers[] = {"mlp_only_layers", "moe_layers",         "full_attn_idxs",
                                              "attn_layers",     "attn_layer_indices", "cross_attention_layers",
                                              "drop_attn_list",  "drop_mlp_list",      "layers_to_transform"};
constexpr std::string_view counts_of_blocks[] = {
    "sliding_window_pattern",    "_sliding_window_pattern", "no_rope_layer_interval",    "max_window_layers",
    "first_k_dense_replace",     "full_attention_interval", "attn_layer_period",         "attn_layer_offset",
    "expert_layer_period",       "expert_layer_offset",     "decoder_sparse_step",       "moe_layer_freq",
    "interleave_moe_layer_step", "num_kv_shared_layers",    "global_attn_every_n_layers"};
// Of these, those of which 1 means every block.
constexpr std::string_view steps[] = {"decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq",
                                      "no_rope_layer_interval"};
// Lists whose length has nothing to do with the number of blocks.
constexpr std::string_view other_lists[] = {"architectures", "bos_token_id", "eos_token_id", "pad_token_id"};

template <size_t count>
bool is_one_of(std::string_view key, const std::string_view (&names)[count]) {
  return std::ranges::find(names, key) != std::end(names);
}

bool are_block_numbers(const OrderedJson& list, size_t num_blocks) {
  return std::ranges::all_of(
      list, [&](const OrderedJson& entry) { return entry.is_number_integer() && entry >= 0 && entry < num_blocks; });
}

OrderedJson kept_entries(const OrderedJson& list, const std::vector<int64_t>& kept) {
  OrderedJson cut = OrderedJson::array();
  for (const int64_t block : kept) cut.push_back(list[static_cast<size_t>(block)]);
  return cut;
}

OrderedJson new_numbers(const OrderedJson& list, const std::vector<int64_t>& kept) {
  OrderedJson numbers = OrderedJson::array();
  for (const OrderedJson& entry : list) {
    const auto place = std::ranges::find(kept, entry.get<int64_t>());
    if (place != kept.end()) numbers.push_back(place - kept.begin());
  }
  return numbers;
}

// The value without the other blocks; a word where that is not possible or not certain.
std::string prune_value(const std::string& key, OrderedJson& value, const std::vector<int64_t>& kept,
                        size_t num_blocks) {
  if (value.is_array()) {
    if (is_one_of(key, one_entry_a_block) && value.size() == num_blocks) {
      value = kept_entries(value, kept);
    } else if (is_one_of(key, block_numbers) && are_block_numbers(value, num_blocks)) {
      value = new_numbers(value, kept);
    } else if (is_one_of(key, one_entry_a_block) || is_one_of(key, block_numbers)) {
      return fmt::format("does not fit a model of {} blocks", num_blocks);
    } else if (value.size() == num_blocks && num_blocks > 1 && !is_one_of(key, other_lists)) {
      return "is as long as the model is deep, but not known as a list of blocks";
    }
  } else if (value.is_number_integer() && value > 0 && is_one_of(key, counts_of_blocks)) {
    if (value == 1 && is_one_of(key, steps)) return "";
    return "counts blocks, whose numbers change with removal";
  }
  return "";
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// transformers and vLLM take these names as regular expressions, compressed-tensors those after "re:", others with "*".
bool is_pattern(std::string_view name) {
  return name.starts_with("re:") || name.find_first_of("*+?()[]{}|^$\\") != name.npos;
}

// A module's name in a model without the other blocks; nothing if it is gone with its block.
class ModuleRenaming {
 public:
  explicit ModuleRenaming(const std::vector<int64_t>& kept) : kept_(kept) {
    for (size_t i = 0; i < kept.size(); ++i) keeps_numbers_ &= kept[i] == static_cast<int64_t>(i);
  }

  std::optional<std::string> operator()(const std::string& name, const std::string& place) const {
    if (is_pattern(name)) return rename_pattern(name, place);
    size_t begin = 0;
    for (bool after_layers = false; begin < name.size();) {
      const size_t end = std::min(name.find('.', begin), name.size());
      const std::string component = name.substr(begin, end - begin);
      if (is_number(component)) {
        if (!after_layers && !keeps_numbers_) refuse(name, place);
        return after_layers ? renumbered(name, begin, component) : name;
      }
      after_layers = component == "layers";
      begin = end + 1;
    }
    return name;
  }

 private:
  [[noreturn]] static void refuse(const std::string& name, const std::string& place) {
    bad_input(
        "{}: \"{}\" picks blocks by numbers that change with removal; give --out-dtype bfloat16 to write plain weights",
        place, name);
  }

  // Renumbers a pattern in which the only number is one block's: "layers.5.mlp" with points that are escaped or stand
  // before a letter, so that no other block's number fits them.
  std::optional<std::string> rename_pattern(const std::string& name, const std::string& place) const {
    constexpr std::string_view digits = "0123456789";
    const size_t begin = name.find_first_of(digits);
    if (begin == name.npos || keeps_numbers_) return name;
    const size_t end = std::min(name.find_first_not_of(digits, begin), name.size());
    const std::string_view before = std::string_view(name).substr(0, begin), after = std::string_view(name).substr(end);
    const bool follows_list = before.ends_with("layers.") || before.ends_with("layers\\.");
    const bool is_whole = after.starts_with("\\.") || (after.size() > 1 && after[0] == '.' &&
                                                       std::isalpha(static_cast<unsigned char>(after[1])) != 0);
    if (!follows_list || !is_whole || after.find_first_of(digits) != after.npos || after.find('|') != after.npos ||
        before.find('|') != before.npos) {
      refuse(name, place);
    }
    return renumbered(name, begin, name.substr(begin, end - begin));
  }

  std::optional<std::string> renumbered(const std::string& name, size_t begin, const std::string& number) const {
    int64_t block = -1;  // stays so for a number too large
    std::from_chars(number.data(), number.data() + number.size(), block);
    const auto found = std::ranges::find(kept_, block);
    if (found == kept_.end()) return {};
    return name.substr(0, begin) + std::to_string(found - kept_.begin()) + name.substr(begin + number.size());
  }

  const std::vector<int64_t>& kept_;
  bool keeps_numbers_ = true;  // the blocks that stay are the first ones
};

void renumber(OrderedJson& value, const ModuleRenaming& rename, const std::string& place) {
  if (value.is_object()) {
    OrderedJson members = OrderedJson::object();
    for (auto& [key, member] : value.items()) {
      const auto name = rename(key, place);
      if (!name) continue;
      renumber(member, rename, fmt::format("{}.{}", place, key));
      members[*name] = std::move(member);
    }
    value = std::move(members);
  } else if (value.is_array()) {
    OrderedJson elements = OrderedJson::array();
    for (auto& element : value) {
      const auto name = element.is_string() ? rename(element.get<std::string>(), place) : "";
      if (!name) continue;
      if (element.is_string()) element = *name;
      renumber(element, rename, place);
      elements.push_back(std::move(element));
    }
    value = std::move(elements);
  }
}

bool gives(const OrderedJson& config, std::string_view key) {
  return config.contains(key) && !config.at(std::string(key)).is_null();
}

bool is_integer(const OrderedJson& config, const std::string& key) {
  return config.contains(key) && config.at(key).is_number_integer();
}

bool are_equal(const OrderedJson& list) {
  return std::ranges::all_of(list, [&](const OrderedJson& entry) { return entry == list[0]; });
}

// Where `pattern` said which blocks are which, `list` says it now, unless all are alike.
void replace_pattern(OrderedJson& config, std::string_view list_key, std::string_view pattern_key, OrderedJson list) {
  if (list_key.empty() || are_equal(list)) return;
  if (!gives(config, list_key)) config[std::string(list_key)] = std::move(list);
  if (!pattern_key.empty()) config.erase(std::string(pattern_key));
}

// Which blocks of a mixture have no experts: so many first ones, which the kept ones of them still are; or every so
// many-th and those of a list, which says it alone where the others are no period any more.
void say_dense_blocks(OrderedJson& config, const ConfigKeys& keys, const ModelSpec& spec,
                      const std::vector<int64_t>& kept) {
  if (!spec.is_mixture()) return;
  if (const std::string leading(keys[Setting::leading_dense_blocks]); !leading.empty()) {
    config[leading] = std::ranges::find_if(kept, [&](int64_t block) { return spec.is_mixture(block); }) - kept.begin();
  }
  const std::string list(keys[Setting::dense_blocks]), period(keys[Setting::mixture_pattern]);
  if (const std::string kinds(keys[Setting::mlp_kinds]); !kinds.empty() && !gives(config, kinds)) {
    OrderedJson each = OrderedJson::array();
    for (int64_t block = 0; block < spec.num_blocks; ++block)
      each.push_back(spec.is_mixture(block) ? "sparse" : "dense");
    config[kinds] = std::move(each);
  }
  if (list.empty() || !is_integer(config, period) || config[period] == 1) return;
  config[period] = 1;
  config[list] = spec.dense_blocks;  // still by their old numbers, as all lists are
}

// What the family's patterns of windows and of rope mean, block by block.
void say_each_block(OrderedJson& config, const Family& family, const ModelSpec& spec,
                    const std::vector<int64_t>& kept) {
  OrderedJson types = OrderedJson::array(), ropes = OrderedJson::array();
  for (size_t i = 0; i < static_cast<size_t>(spec.num_blocks); ++i) {
    const bool slides = spec.sliding_windows[i] > 0 || spec.block_ropes[i] > 0;
    types.push_back(slides ? "sliding_attention" : "full_attention");
    ropes.push_back(spec.block_ropes[i] < 0 ? 0 : 1);
  }
  const ConfigKeys& keys = family.keys;
  say_dense_blocks(config, keys, spec, kept);
  replace_pattern(config, keys[Setting::layer_types], keys[Setting::window_pattern], std::move(types));
  replace_pattern(config, keys[Setting::rope_blocks], keys[Setting::rope_pattern], std::move(ropes));
  // For transformers before 4.53, which reads this alone: windows begin at a block, and still do.
  const bool has_windows = std::ranges::any_of(spec.sliding_windows, [](int64_t window) { return window > 0; });
  if (const std::string first(keys[Setting::first_window]); has_windows && is_integer(config, first)) {
    const auto before = config.at(first).get<int64_t>();
    config[first] = std::ranges::count_if(kept, [&](int64_t block) { return block < before; });
  }
}

void prune_members(OrderedJson& config, const ModelSpec& spec, const std::vector<int64_t>& kept,
                   const std::string& label, std::vector<std::string>& warnings) {
  const Family& family = *find_family(spec.family);
  const auto num_blocks = static_cast<size_t>(spec.num_blocks);
  if (kept.size() == num_blocks) return;
  say_each_block(config, family, spec, kept);
  // The number of blocks is part of this scale, which stays what it was.
  if (const std::string key(family.keys[Setting::residual_depth_scale]); !key.empty()) {
    config[key] = spec.residual_scale * std::sqrt(static_cast<double>(kept.size()));
  }
  for (auto& [key, value] : config.items()) {
    if (std::ranges::find(family.harmless_keys, key) != family.harmless_keys.end()) continue;
    if (key == family.keys[Setting::first_window] || key == family.keys[Setting::leading_dense_blocks]) continue;
    const std::string problem = prune_value(key, value, kept, num_blocks);
    if (!problem.empty()) {
      warnings.push_back(fmt::format("{}: {} {}; it is left as it is, see whether the pruned model needs another",
                                     label, key, problem));
    }
  }
  // Some give it under the family's name and the usual one.
  const std::string own(family.keys[Setting::num_blocks]), usual(usual_sizes[Setting::num_blocks]);
  const bool gives_usual = config.contains(usual);
  if (gives_usual) config[usual] = kept.size();
  if (!gives_usual || config.contains(own)) config[own] = kept.size();
}

}  // namespace

std::vector<int64_t> kept_blocks(int64_t num_blocks, const std::vector<int64_t>& removal_list) {
  std::vector<int64_t> kept;
  for (int64_t block = 0; block < num_blocks; ++block) {
    if (std::ranges::count(removal_list, block) == 0) kept.push_back(block);
  }
  return kept;
}

std::string served_otherwise(const ModelSpec& spec, const std::vector<int64_t>& kept) {
  const auto is_windowed = [&](size_t i) { return spec.sliding_windows.at(static_cast<size_t>(kept[i])) > 0; };
  if (std::cmp_equal(kept.size(), spec.num_blocks) || spec.sliding_windows.empty()) return "";
  if (spec.family == "gemma2") {
    for (size_t i = 0; i < kept.size(); ++i) {
      if (is_windowed(i) == (i % 2 == 0)) continue;
      return fmt::format(
          "SGLang 0.5 gives a window to every second block, whatever layer_types says, and so computes "
          "something else of texts of more than {} tokens; transformers and vLLM read layer_types",
          *std::ranges::max_element(spec.sliding_windows));
    }
  }
  if (spec.family == "exaone4") {
    for (size_t i = 0; i < kept.size(); ++i) {
      if (is_windowed(i)) return "SGLang 0.5 loads an EXAONE 4 with other windows only with --model-impl transformers";
    }
  }
  return "";
}

PrunedConfig prune_config(OrderedJson config, const ModelSpec& spec, const std::vector<int64_t>& kept,
                          const std::string& dtype, const std::string& label) {
  PrunedConfig pruned;
  prune_members(spec.is_multimodal ? config[text_config] : config, spec, kept, label, pruned.warnings);
  if (!dtype.empty()) {
    // transformers 5 reads "dtype", 4 reads "torch_dtype"; each reads the other's spelling as a fallback.
    config.erase("torch_dtype");
    config["dtype"] = dtype;
    config["torch_dtype"] = dtype;
  }
  if (const std::string note = served_otherwise(spec, kept); !note.empty()) {
    pruned.warnings.push_back(fmt::format("{}: {}", label, note));
  }
  pruned.config = std::move(config);
  return pruned;
}

void renumber_modules(OrderedJson& quantization, const std::vector<int64_t>& kept, const std::string& place) {
  // What a program noted of how it quantised: versions, texts.
  constexpr std::string_view notes[] = {"meta", "dataset", "tokenizer", "version", "quantizer"};
  const ModuleRenaming rename(kept);
  for (auto& [key, member] : quantization.items()) {
    if (!is_one_of(key, notes)) renumber(member, rename, fmt::format("{}.{}", place, key));
  }
}

std::string quantization_method(const OrderedJson& quantization) {
  const auto method = quantization.find("quant_method");
  return method != quantization.end() && method->is_string() ? method->get<std::string>() : "bitsandbytes";
}

void exclude_modules(OrderedJson& quantization, const std::vector<std::string>& modules, const std::string& head) {
  if (modules.empty()) return;
  const std::string method = quantization_method(quantization);
  const std::string key = exclusion_list(method);
  if (key.empty()) bad_input("quantization_config: {} has no list of modules that are not quantised", quote(method));
  OrderedJson& list = quantization[key];
  if (!list.is_array()) list = OrderedJson::array({head});
  for (const std::string& module : modules) list.push_back(module);
}

}  // namespace sleb
