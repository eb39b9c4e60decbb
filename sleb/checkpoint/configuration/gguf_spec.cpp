#include "sleb/checkpoint/configuration/gguf_spec.h"

#include <algorithm>
#include <cmath>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_config.h"
#include "sleb/checkpoint/configuration/gguf_metadata.h"
#include "sleb/checkpoint/expert_stacks.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/packed/split_key_values.h"

namespace sleb {
namespace {

// Read for every family, or without effect on a model of these families in llama.cpp (llama-model.cpp). Names without
// the architecture in front.
constexpr std::string_view llama_cpp_keys[] = {"attention.head_count",
                                               "attention.head_count_kv",
                                               "attention.key_length",
                                               "attention.key_length_mla",
                                               "attention.kv_lora_rank",
                                               "attention.layer_norm_epsilon",
                                               "attention.layer_norm_rms_epsilon",
                                               "attention.q_lora_rank",
                                               "attention.value_length",
                                               "attention.value_length_mla",
                                               "block_count",
                                               "context_length",
                                               "embedding_length",
                                               "expert_feed_forward_length",
                                               "expert_shared_feed_forward_length",
                                               "expert_used_count",
                                               "expert_weights_norm",
                                               "feed_forward_length",
                                               "pooling_type",
                                               "rope.dimension_count",
                                               "rope.freq_base",
                                               "rope.freq_base_swa",
                                               "rope.scale_linear",
                                               "rope.scaling.factor",
                                               "rope.scaling.finetuned",
                                               "rope.scaling.original_context_length",
                                               "rope.scaling.type",
                                               "rope.scaling.yarn_beta_fast",
                                               "rope.scaling.yarn_beta_slow",
                                               "tensor_data_layout",
                                               "vocab_size"};

// What other architectures compute differently, and the value that means that it is off. An architecture that reads one
// of these is another model.
struct Switch {
  std::string_view key;
  double off;
};
constexpr Switch number_switches[] = {{"attention.clamp_kqv", 0},
                                      {"attention.max_alibi_bias", 0},
                                      {"attention.scale", 0},
                                      {"attn_logit_softcapping", 0},
                                      {"embedding_scale", 1},
                                      {"expert_count", 0},
                                      {"expert_gating_func", gating_softmax},
                                      {"expert_group_count", 1},
                                      {"expert_weights_scale", 1},
                                      {"final_logit_softcapping", 0},
                                      {"logit_scale", 1},
                                      {"residual_scale", 1},
                                      {"rope.scaling.alpha", 0},
                                      {"rope.scaling.attn_factor", 1},
                                      {"rope.scaling.yarn_attn_factor", 1},
                                      {"rope.scaling.yarn_ext_factor", 0},
                                      {"rope.scaling.yarn_log_multiplier", 0}};
struct BooleanSwitch {
  std::string_view key;
  bool off;
};
constexpr BooleanSwitch boolean_switches[] = {
    {"attention.causal", true}, {"swin_norm", false}, {"use_parallel_residual", false}};

// Read where GgufArchitecture::says_routing.
constexpr std::string_view routing_keys[] = {"expert_gating_func", "expert_weights_norm", "expert_shared_count",
                                             "leading_dense_block_count", "nextn_predict_layers"};

// What this family's configuration has a setting for.
bool is_read(std::string_view key, const Family& family) {
  for (size_t i = 0; i < num_settings; ++i) {
    if (metadata_key(static_cast<Setting>(i), family) == key) return true;
  }
  if (key == "expert_count") return !family.keys[Setting::num_experts].empty();
  if (key == "expert_group_count") return !family.keys[Setting::expert_groups].empty();
  const GgufArchitecture& architecture = find_gguf_architecture(family.gguf_architecture);
  if (key == "rope.scaling.yarn_log_multiplier") return architecture.latent_as_one_key;
  if (architecture.says_routing && std::ranges::find(routing_keys, key) != std::end(routing_keys)) return true;
  if (key == "use_parallel_residual") return !family.keys[Setting::parallel_residual].empty();
  return key == "rope.scaling.attn_factor" && family.rope.only_longrope;
}

bool is_known(std::string_view key, const Family& family) {
  const bool is_window = key.starts_with("attention.sliding_window");
  return is_read(key, family) || key == "expert_group_used_count" ||
         (is_window && !family.keys[Setting::sliding_window].empty()) ||
         std::ranges::find(llama_cpp_keys, key) != std::end(llama_cpp_keys) ||
         std::ranges::find(number_switches, key, &Switch::key) != std::end(number_switches) ||
         std::ranges::find(boolean_switches, key, &BooleanSwitch::key) != std::end(boolean_switches);
}

// Yarn's usual factor of attention, which converters write where config.json gives it (conversion/olmo.py).
bool is_yarns_own(const ModelMetadata& metadata, std::string_view name, double value) {
  if (name != "rope.scaling.attn_factor" && name != "rope.scaling.yarn_attn_factor") return false;
  const double factor = metadata.find_number("rope.scaling.factor").value_or(0);
  return metadata.find_string("rope.scaling.type").value_or("") == "yarn" && factor > 1 &&
         std::abs(value - (1 + 0.1 * std::log(factor))) <= 1e-4;
}

void refuse_other_computation(const ModelMetadata& metadata, const Family& family) {
  for (const auto& [name, off] : number_switches) {
    const auto value = metadata.find_number(name);
    if (value && is_yarns_own(metadata, name, *value)) continue;
    // Zero is off too for a factor: llama.cpp's own default of those that it reads.
    if (value && *value != off && *value != 0 && !is_read(name, family)) {
      metadata.refuse(name, fmt::format("{}: a model that computes with this is not known here", *value));
    }
  }
  for (const auto& [name, off] : boolean_switches) {
    if (const auto value = metadata.find_boolean(name); value && *value != off && !is_read(name, family)) {
      metadata.refuse(name, fmt::format("{}: a model that computes with this is not known here", *value));
    }
  }
  if (metadata.has("rope.dimension_sections")) {
    metadata.refuse("rope.dimension_sections", "rope over several kinds of position is not known here");
  }
}

// By how much rope_freqs divides each frequency.
std::vector<float> frequency_divisors(const GgufFile& file, const RopeSpec& rope) {
  const auto stored = file.tensors().find("rope_freqs.weight");
  if (stored == file.tensors().end()) return {};
  if (stored->second.elements() != rope.dims / 2) {
    bad_input("{}: tensor 'rope_freqs.weight' has {} values for {} dimensions that turn", file.label(),
              stored->second.elements(), rope.dims);
  }
  if (rope.scaling != RopeSpec::Scaling::none) {
    bad_input("{}: rope_freqs.weight beside a rope scaling factor is not known here", file.label());
  }
  std::vector<float> divisors(static_cast<size_t>(rope.dims / 2));
  decode(stored->second.type, stored->second.data, divisors);
  return divisors;
}

// Where configurations can't say it, models have biases as they are stored.
void read_biases(const ModelMetadata& metadata, const Family& family, ModelSpec& spec) {
  if (family.keys[Setting::attention_bias].empty()) return;
  const GgufArchitecture& architecture = find_gguf_architecture(metadata.architecture());
  spec.attention_output_bias =
      metadata.has_tensor(gguf_part_name(architecture, spec, 0, Part::attention_output) + ".bias");
}

}  // namespace

std::vector<TensorRenaming> gguf_tensor_names(const GgufArchitecture& architecture, const ModelSpec& spec,
                                              int64_t block, Part part) {
  const std::string own = gguf_part_name(architecture, spec, block, part), name = spec.part_name(block, part);
  if (part == Part::score_correction) return {{own + ".bias", name}};
  if (part == Part::sinks) return {{own + ".weight", name}};
  return {{own + ".weight", name + ".weight"}, {own + ".bias", name + ".bias"}};
}

std::string gguf_part_name(const GgufArchitecture& architecture, const ModelSpec& spec, int64_t block, Part part) {
  // llama.cpp, src/llama-arch.cpp.
  static constexpr NameTable<Part, num_parts> names({{Part::attention_norm, "attn_norm"},
                                                     {Part::query, "attn_q"},
                                                     {Part::key, "attn_k"},
                                                     {Part::value, "attn_v"},
                                                     {Part::query_norm, "attn_q_norm"},
                                                     {Part::key_norm, "attn_k_norm"},
                                                     {Part::query_latent, "attn_q_a"},
                                                     {Part::query_latent_norm, "attn_q_a_norm"},
                                                     {Part::latent, "attn_kv_a_mqa"},
                                                     {Part::latent_norm, "attn_kv_a_norm"},
                                                     {Part::latent_key_value, joined_key_values},
                                                     {Part::sinks, "attn_sinks"},
                                                     {Part::attention_output, "attn_output"},
                                                     {Part::attention_post_norm, "post_attention_norm"},
                                                     {Part::mlp_norm, "ffn_norm"},
                                                     {Part::gate, "ffn_gate"},
                                                     {Part::up, "ffn_up"},
                                                     {Part::down, "ffn_down"},
                                                     {Part::mlp_post_norm, "post_ffw_norm"},
                                                     {Part::router, "ffn_gate_inp"},
                                                     {Part::score_correction, "exp_probs_b"},
                                                     {Part::expert_gate, "ffn_gate_exps"},
                                                     {Part::expert_up, "ffn_up_exps"},
                                                     {Part::expert_down, "ffn_down_exps"},
                                                     {Part::shared_gate, "ffn_gate_shexp"},
                                                     {Part::shared_up, "ffn_up_shexp"},
                                                     {Part::shared_down, "ffn_down_shexp"},
                                                     {Part::shared_router, "ffn_gate_inp_shexp"}});
  const PartNames& own = spec.names.parts;
  std::string_view name = names[part];
  if (part == Part::query && spec.latent.query_size > 0) name = "attn_q_b";
  const bool in_qkv = part == Part::query || part == Part::key || part == Part::value;
  const bool one_norm = own[Part::attention_norm] == own[Part::mlp_norm];
  if (in_qkv && own[Part::query] == own[Part::key]) name = "attn_qkv";
  if (part == Part::gate && own[Part::gate] == own[Part::up]) name = names[Part::up];
  if (part == Part::mlp_norm && !architecture.mlp_norm.empty()) name = architecture.mlp_norm;
  if (part == Part::mlp_norm && one_norm) name = names[Part::attention_norm];
  if (architecture.mlp_norm_first && !one_norm) {
    if (part == Part::attention_norm) name = "attn_norm_2";
    if (part == Part::mlp_norm) name = names[Part::attention_norm];
  }
  return fmt::format("blk.{}.{}", block, name);
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const ModelMetadata metadata(file);
  const Family& family = family_of(metadata);
  refuse_other_computation(metadata, family);
  const Json config = model_config_from_gguf(metadata, family);
  ModelSpec spec = spec_from_config(JsonView(config, file.label()));
  read_biases(metadata, family, spec);
  if (!spec.ropes.empty()) spec.ropes[0].frequency_divisors = frequency_divisors(file, spec.ropes[0]);
  if (spec.experts.stacked) spec = with_experts_apart(std::move(spec));
  check(spec, file.label());
  return spec;
}

std::optional<std::string> gguf_tokenizer_warning(const GgufFile& file) {
  const bool merges_pairs = file.find_string("tokenizer.ggml.model").value_or("") == "gpt2";
  if (!merges_pairs || file.has("tokenizer.ggml.pre")) return {};
  return fmt::format(
      "{}: no tokenizer.ggml.pre: texts are split by GPT-2's rules, which may not be the model's own; convert the "
      "model "
      "anew",
      file.label());
}

namespace {

// Converters did not always say that DeepSeek V2 of 236B chooses experts from 3 of 8 groups.
std::optional<std::string> groups_warning(const ModelMetadata& metadata, const Family& family) {
  constexpr int64_t experts_of_236b = 160;
  const bool is_large = metadata.find_integer("expert_count") == experts_of_236b;
  if (family.model_type != "deepseek_v2" || !is_large || metadata.has("expert_group_count")) return {};
  return fmt::format(
      "{}: no {}: experts are chosen from all, as llama.cpp does, where DeepSeek V2 of 236B chooses them from 3 of 8 "
      "groups",
      metadata.file().label(), metadata.key("expert_group_count"));
}

}  // namespace

std::vector<std::string> gguf_warnings(const GgufFile& file) {
  std::vector<std::string> warnings;
  const std::string prefix = file.string("general.architecture") + ".";
  const Family& family = family_of(ModelMetadata(file));
  std::vector<std::string> unread;
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with(prefix) && !is_known(std::string_view(key).substr(prefix.size()), family))
      unread.push_back(key);
  }
  if (!unread.empty()) {
    warnings.push_back(fmt::format("{}: metadata that is not read: {}", file.label(), quote_all(unread)));
  }
  if (auto warning = gguf_tokenizer_warning(file)) warnings.push_back(std::move(*warning));
  if (auto warning = groups_warning(ModelMetadata(file), family)) warnings.push_back(std::move(*warning));
  return warnings;
}

}  // namespace sleb
