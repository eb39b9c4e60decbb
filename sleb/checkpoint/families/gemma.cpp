// transformers, configuration_*.py and modeling_*.py of each model_type.
#include <cmath>

#include "sleb/checkpoint/families/tables.h"

namespace sleb {
namespace {

void scale_embedding(const JsonView& /*config*/, ModelSpec& spec) {
  spec.embedding_scale = std::sqrt(static_cast<double>(spec.hidden_size));
}

const std::vector<RefusedKey> both_ways = {
    {"use_bidirectional_attention", "attention to later tokens is not known here"}};

constexpr ConfigKeys gemma2_keys = llama_keys.with({{Setting::activation, "hidden_activation"},
                                                    {Setting::attention_bias, "attention_bias"},
                                                    {Setting::attention_scale_power, "query_pre_attn_scalar"},
                                                    {Setting::logit_cap, "final_logit_softcapping"},
                                                    {Setting::sliding_window, "sliding_window"},
                                                    {Setting::layer_types, "layer_types"}});

constexpr TensorNames four_norms = llama_names_with({{Part::attention_post_norm, "post_attention_layernorm"},
                                                     {Part::mlp_norm, "pre_feedforward_layernorm"},
                                                     {Part::mlp_post_norm, "post_feedforward_layernorm"}});

Family gemma() {
  return {.model_type = "gemma",
          .architecture = "GemmaForCausalLM",
          .models = "Gemma 1, CodeGemma",
          .gguf_architecture = "gemma",
          .keys = llama_keys_with({{Setting::attention_bias, "attention_bias"}}),
          .harmless_keys = {"attention_dropout", "hidden_activation"},
          .refused_keys = both_ways,
          .names = llama_names,
          .assumed = {.num_kv_heads = 16,
                      .head_dim = 256,
                      .max_positions = 8192,
                      .norm_eps = 1e-6,
                      .norm_weight_offset = 1,
                      .activation = Activation::gelu_tanh,
                      .tied_head = true,
                      .needs_bos = true},
          .gelu_is_tanh = true,
          .derive = scale_embedding};
}

Family gemma2() {
  return {.model_type = "gemma2",
          .architecture = "Gemma2ForCausalLM",
          .models = "Gemma 2",
          .gguf_architecture = "gemma2",
          .keys = gemma2_keys.with({{Setting::attention_cap, "attn_logit_softcapping"}}),
          .harmless_keys = {"attention_dropout", "hidden_act", "cache_implementation"},
          .refused_keys = both_ways,
          .names = four_norms,
          .assumed = {.num_kv_heads = 4,
                      .head_dim = 256,
                      .max_positions = 8192,
                      .norm_placement = NormPlacement::both,
                      .norm_eps = 1e-6,
                      .norm_weight_offset = 1,
                      .activation = Activation::gelu_tanh,
                      .tied_head = true,
                      .attention_scale = 1.0 / 16,
                      .attention_cap = 50,
                      .logit_cap = 30,
                      .needs_bos = true},
          .window_rule = WindowRule::pattern,
          .sliding_window = 4096,
          .pattern = 2,
          .derive = scale_embedding};
}

Family gemma3() {
  Family family = gemma2();
  family.model_type = "gemma3_text";
  family.architecture = "Gemma3ForCausalLM";
  family.models = "Gemma 3; of `gemma3`, which sees pictures, the language model";
  family.gguf_architecture = "gemma3";
  family.keys = gemma2_keys.with({{Setting::window_pattern, "sliding_window_pattern"}});
  family.harmless_keys = {"attention_dropout", "attn_logit_softcapping", "cache_implementation", "hidden_act",
                          "_sliding_window_pattern"};
  // Published configurations give little more than what differs from these.
  family.assumed.num_blocks = 26;
  family.assumed.hidden_size = 2304;
  family.assumed.intermediate_size = 9216;
  family.assumed.num_heads = 8;
  family.assumed.vocabulary_size = 262208;
  family.assumed.max_positions = 131072;
  family.assumed.qk_norm = QkNorm::per_head;
  family.assumed.attention_cap = 0;  // read by the configuration class and by nothing else
  family.assumed.logit_cap = 0;
  family.rope = {.theta = 1e6, .by_kind = true, .local_theta = 10000, .local_theta_key = "rope_local_base_freq"};
  family.rope_rule = RopeRule::by_kind;
  family.pattern = 6;
  return family;
}

}  // namespace

std::vector<Family> gemma_families() {
  return {gemma(), gemma2(), gemma3()};
}

}  // namespace sleb
