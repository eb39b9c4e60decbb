#include "sleb/checkpoint/configuration/gguf_architecture.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_config.h"

namespace sleb {
namespace {

// conversion/falcon.py and src/models/falcon.cpp: three generations, told apart by their norms and key heads.
void complete_falcon(const ModelMetadata& metadata, OrderedJson& config) {
  const int64_t heads = config["num_attention_heads"].get<int64_t>();
  const int64_t kv_heads = metadata.has("attention.head_count_kv")
                               ? metadata.size_in_all_blocks("attention.head_count_kv", config["num_hidden_layers"])
                               : 1;
  const bool two_norms = metadata.has_tensor("blk.0.attn_norm_2.weight");
  const bool is_new = two_norms || (kv_heads != 1 && kv_heads != heads);
  config["new_decoder_architecture"] = is_new;
  config["parallel_attn"] = true;
  config["multi_query"] = is_new || kv_heads == 1;
  config["num_kv_heads"] = kv_heads;
  if (is_new) config["num_ln_in_parallel_attn"] = two_norms ? 2 : 1;
}

// src/models/granite.cpp, with which llama.cpp runs it; files from before September 2024 have no scales, as llama.cpp
// had those of all models then.
void complete_minicpm(const ModelMetadata& metadata, OrderedJson& config) {
  const auto blocks = config["num_hidden_layers"].get<double>(), size = config["hidden_size"].get<double>();
  if (!metadata.has("embedding_scale")) config["embedding_multiplier"] = 12;
  if (!metadata.has("residual_scale")) config["residual_multiplier"] = 1.4 / std::sqrt(blocks);
  if (!metadata.has("logit_scale")) config["logits_scaling"] = size / 256;
}

// llama.cpp rounds the ends of yarn's ramp to whole pairs in every model; this model's own code never does.
void complete_gpt_oss(const ModelMetadata&, OrderedJson& config) {
  OrderedJson& rope = config["rope_parameters"];
  if (rope["rope_type"] == "yarn") rope["truncate"] = false;
}

// conversion/deepseek.py and src/models/deepseek2.cpp. The factor of scores that mscale_all_dim makes stands there as a
// tenth of it; what rope itself is multiplied by is then 1, as where mscale is the same.
void complete_deepseek2(const ModelMetadata& metadata, OrderedJson& config) {
  OrderedJson& rope = config["rope_parameters"];
  if (rope["rope_type"] == "yarn") {
    const std::string_view key = "rope.scaling.yarn_log_multiplier";
    const auto tenth = metadata.find_number(key);
    if (!tenth || *tenth <= 0) metadata.refuse(key, "missing or not positive, beside yarn");
    rope["mscale"] = rope["mscale_all_dim"] = std::round(*tenth * 1e8) / 1e7;
  }
  if (config["model_type"] != "deepseek_v2") return;
  if (metadata.find_boolean("expert_weights_norm").value_or(false)) {
    metadata.refuse("expert_weights_norm", "true, which config.json cannot express of a model with softmax scores");
  }
  config["topk_method"] = config["n_group"] == 1 ? "greedy" : "group_limited_greedy";
}

constexpr GgufArchitecture plain = {};

const GgufArchitecture architectures[] = {
    {.name = "llama", .pairs_side_by_side = true},
    {.name = "exaone", .family = "llama"},
    {.name = "internlm2", .family = "llama", .pairs_side_by_side = true},
    {.name = "minicpm", .family = "granite", .pairs_side_by_side = true, .complete = complete_minicpm},
    {.name = "olmo", .pairs_side_by_side = true},
    {.name = "granite", .pairs_side_by_side = true},
    {.name = "smollm3", .pairs_side_by_side = true},
    {.name = "gemma2", .blocks_of_other_scale = 46, .assumes_window = true},
    {.name = "gemma3", .blocks_of_other_scale = 62},
    {.name = "exaone4", .assumes_window = true, .blocks_with_window = 64},
    {.name = "qwen3moe", .normalizes_experts = true},
    {.name = "dots1", .says_routing = true},
    {.name = "glm4moe", .mlp_norm = "post_attention_norm", .says_routing = true},
    {.name = "gpt-oss",
     .needs_window = true,
     .mlp_norm = "post_attention_norm",
     .repeats_expert_size = true,
     .complete = complete_gpt_oss},
    {.name = "deepseek2", .says_routing = true, .latent_as_one_key = true, .complete = complete_deepseek2},
    {.name = "falcon", .mlp_norm_first = true, .complete = complete_falcon},
};

std::string known_architectures() {
  std::set<std::string_view> names;
  for (const Family& family : families()) {
    if (!family.gguf_architecture.empty()) names.insert(family.gguf_architecture);
  }
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

}  // namespace

const GgufArchitecture& find_gguf_architecture(std::string_view name) {
  const auto* const found = std::ranges::find(architectures, name, &GgufArchitecture::name);
  return found == std::end(architectures) ? plain : *found;
}

const Family& family_of(const ModelMetadata& metadata) {
  const std::string& name = metadata.architecture();
  if (const Family* other = find_family(find_gguf_architecture(name).family)) return *other;
  // Of OLMo 2 and 3, which have one name, the third has windows; of Llama and Mixtral the second experts; of DeepSeek 2
  // and 3 the third scores by sigmoids, with a correction.
  const bool has_windows = metadata.find_integer("attention.sliding_window").value_or(0) > 0;
  const bool has_experts = metadata.find_integer("expert_count").value_or(0) > 0;
  const auto is_named = [&](const Family& family) { return !name.empty() && family.gguf_architecture == name; };
  const bool either = std::ranges::any_of(
      families(), [&](const Family& family) { return is_named(family) && family.assumed.is_mixture() == has_experts; });
  const int64_t first_mixture = metadata.find_integer("leading_dense_block_count").value_or(0);
  const bool has_sigmoids = metadata.find_integer("expert_gating_func").value_or(0) == gating_sigmoid ||
                            metadata.has_tensor(fmt::format("blk.{}.exp_probs_b.bias", first_mixture));
  const auto has_own_sigmoids = [](const Family& family) {
    return family.assumed.experts.scores == ExpertScores::sigmoid;
  };
  const Family* first = nullptr;
  for (const Family& family : families()) {
    if (!is_named(family) || (either && family.assumed.is_mixture() != has_experts)) continue;
    if (first == nullptr || (has_windows && !family.keys[Setting::sliding_window].empty()) ||
        (has_sigmoids && has_own_sigmoids(family) && !has_own_sigmoids(*first))) {
      first = &family;
    }
  }
  if (first == nullptr) {
    bad_input("{}: unknown general.architecture \"{}\"; known are {}", metadata.file().label(), name,
              known_architectures());
  }
  return *first;
}

}  // namespace sleb
