// transformers, configuration_*.py and modeling_*.py of each model_type.
#include "sleb/checkpoint/families/tables.h"

namespace sleb {
namespace {

// Qwen: windows from block max_window_layers on, if use_sliding_window says so.
constexpr ConfigKeys qwen_keys = llama_keys.with({{Setting::sliding_window, "sliding_window"},
                                                  {Setting::use_sliding_window, "use_sliding_window"},
                                                  {Setting::layer_types, "layer_types"},
                                                  {Setting::first_window, "max_window_layers"}});

constexpr ConfigKeys windowed_keys =
    llama_keys.with({{Setting::sliding_window, "sliding_window"}, {Setting::layer_types, "layer_types"}});

constexpr ConfigKeys cohere_keys = llama_keys.with({{Setting::norm_eps, "layer_norm_eps"},
                                                    {Setting::attention_bias, "attention_bias"},
                                                    {Setting::logit_scale, "logit_scale"}});

// One norm in front of both halves.
constexpr TensorNames cohere_names = llama_names_with({{Part::mlp_norm, "input_layernorm"}});

// Norms behind the halves alone.
constexpr TensorNames olmo2_names = llama_names_with(
    {{Part::attention_post_norm, "post_attention_layernorm"}, {Part::mlp_post_norm, "post_feedforward_layernorm"}});

constexpr TensorNames glm_names = llama_names_with({{Part::gate, "mlp.gate_up_proj"}, {Part::up, "mlp.gate_up_proj"}});

constexpr ConfigKeys attention_bias_keys = llama_keys.with({{Setting::attention_bias, "attention_bias"}});

Family llama() {
  return {.model_type = "llama",
          .architecture = "LlamaForCausalLM",
          .models = "LLaMA 1 to 3.x, SmolLM2, TinyLlama",
          .gguf_architecture = "llama",
          .keys = llama_keys_with({{Setting::attention_bias, "attention_bias"}, {Setting::mlp_bias, "mlp_bias"}}),
          .harmless_keys = {"attention_dropout", "pretraining_tp"},
          .names = llama_names,
          .assumed = {.max_positions = 2048, .norm_eps = 1e-6}};
}

// With layer_types transformers' AutoConfig takes it for ministral (configuration_auto.py); biases are not there.
Family mistral() {
  return {.model_type = "mistral",
          .architecture = "MistralForCausalLM",
          .models = "Mistral",
          .gguf_architecture = "",
          .keys = windowed_keys,
          .harmless_keys = {"attention_dropout"},
          .names = llama_names,
          .assumed = {.num_kv_heads = 8, .max_positions = 131072, .norm_eps = 1e-6},
          .sliding_window = 4096};
}

Family ministral() {
  Family family = mistral();
  family.model_type = "ministral";
  family.architecture = "MinistralForCausalLM";
  family.models = "Ministral 8B";
  return family;
}

// transformers, configuration_ministral3.py: whatever rope_theta says beside it.
constexpr std::string_view ministral3_rope =
    R"({"type": "yarn", "rope_theta": 1e6, "factor": 16, "original_max_position_embeddings": 16384, "beta_fast": 32,
        "beta_slow": 1, "mscale_all_dim": 1, "mscale": 1, "llama_4_scaling_beta": 0.1})";

Family ministral3() {
  return {.model_type = "ministral3",
          .architecture = "Ministral3ForCausalLM",
          .models = "Ministral 3; of `mistral3`, which sees pictures, the language model",
          .gguf_architecture = "",
          .keys = llama_keys.with({{Setting::sliding_window, "sliding_window"}}),
          .harmless_keys = {"attention_dropout"},
          .names = llama_names,
          .assumed = {.num_kv_heads = 8, .head_dim = 128, .max_positions = 262144, .norm_eps = 1e-5},
          .rope = {.query_growth = true, .assumed = ministral3_rope}};
}

Family qwen2() {
  return {.model_type = "qwen2",
          .architecture = "Qwen2ForCausalLM",
          .models = "Qwen 2, 2.5, DeepSeek-R1-Distill-Qwen",
          .gguf_architecture = "qwen2",
          .keys = qwen_keys,
          .harmless_keys = {"attention_dropout", "use_mrope"},
          .names = llama_names,
          .assumed = {.num_kv_heads = 32, .max_positions = 32768, .norm_eps = 1e-6, .qkv_bias = true},
          .window_rule = WindowRule::from_block,
          .sliding_window = 4096,
          .pattern = 28};
}

Family qwen3() {
  return {.model_type = "qwen3",
          .architecture = "Qwen3ForCausalLM",
          .models = "Qwen 3",
          .gguf_architecture = "qwen3",
          .keys = qwen_keys.with({{Setting::attention_bias, "attention_bias"}}),
          .harmless_keys = {"attention_dropout"},
          .names = llama_names,
          .assumed = {.num_kv_heads = 32,
                      .head_dim = 128,
                      .max_positions = 32768,
                      .norm_eps = 1e-6,
                      .qk_norm = QkNorm::per_head},
          .window_rule = WindowRule::from_block,
          .sliding_window = 4096,
          .pattern = 28};
}

Family phi3() {
  return {.model_type = "phi3",
          .architecture = "Phi3ForCausalLM",
          .models = "Phi-3, 3.5, 4, 4-mini",
          .gguf_architecture = "phi3",
          .keys = llama_keys.with({{Setting::sliding_window, "sliding_window"}}),
          .harmless_keys = {"attention_dropout", "embd_pdrop", "resid_pdrop", "attention_bias", "mlp_bias"},
          .names = llama_names_with({{Part::query, "self_attn.qkv_proj"},
                                     {Part::key, "self_attn.qkv_proj"},
                                     {Part::value, "self_attn.qkv_proj"},
                                     {Part::gate, "mlp.gate_up_proj"},
                                     {Part::up, "mlp.gate_up_proj"}}),
          .assumed = {.max_positions = 4096, .norm_eps = 1e-5},
          .rope = {.partial = true, .only_longrope = true, .original_max_positions = 4096}};
}

Family smollm3() {
  return {.model_type = "smollm3",
          .architecture = "SmolLM3ForCausalLM",
          .models = "SmolLM3",
          .gguf_architecture = "smollm3",
          .keys = windowed_keys.with({{Setting::use_sliding_window, "use_sliding_window"},
                                      {Setting::rope_blocks, "no_rope_layers"},
                                      {Setting::rope_pattern, "no_rope_layer_interval"},
                                      {Setting::attention_bias, "attention_bias"},
                                      {Setting::mlp_bias, "mlp_bias"}}),
          .harmless_keys = {"attention_dropout", "max_window_layers", "pretraining_tp"},
          .names = llama_names,
          .assumed = {.num_kv_heads = 4, .max_positions = 32768, .norm_eps = 1e-6, .tied_head = true},
          .rope = {.theta = 2e6},
          .rope_rule = RopeRule::listed,
          .window_rule = WindowRule::no_rope,
          .pattern = 4};
}

Family granite() {
  return {.model_type = "granite",
          .architecture = "GraniteForCausalLM",
          .models = "Granite 3.x dense",
          .gguf_architecture = "granite",
          .keys = llama_keys_with({{Setting::attention_bias, "attention_bias"},
                                   {Setting::mlp_bias, "mlp_bias"},
                                   {Setting::attention_scale, "attention_multiplier"},
                                   {Setting::embedding_scale, "embedding_multiplier"},
                                   {Setting::residual_scale, "residual_multiplier"},
                                   {Setting::logit_divisor, "logits_scaling"}}),
          .harmless_keys = {"attention_dropout"},
          .names = llama_names,
          .assumed = {.max_positions = 2048, .norm_eps = 1e-6, .attention_scale = 1}};
}

Family olmo() {
  return {.model_type = "olmo",
          .architecture = "OlmoForCausalLM",
          .models = "OLMo 1",
          .gguf_architecture = "olmo",
          .keys = attention_bias_keys.with({{Setting::norm_eps, ""}, {Setting::qkv_clip, "clip_qkv"}}),
          .harmless_keys = {"attention_dropout"},
          .names = llama_names,
          .assumed = {.max_positions = 2048, .norm = NormKind::layer, .norm_eps = 1e-5, .norm_weight = false}};
}

Family olmo2() {
  return {
      .model_type = "olmo2",
      .architecture = "Olmo2ForCausalLM",
      .models = "OLMo 2",
      .gguf_architecture = "olmo2",
      .keys = attention_bias_keys,
      .harmless_keys = {"attention_dropout"},
      .names = olmo2_names,
      .assumed = {
          .max_positions = 2048, .norm_placement = NormPlacement::inside, .norm_eps = 1e-5, .qk_norm = QkNorm::whole}};
}

Family olmo3() {
  Family family = olmo2();
  family.model_type = "olmo3";
  family.architecture = "Olmo3ForCausalLM";
  family.models = "OLMo 3";
  family.gguf_architecture = "olmo2";
  family.keys = windowed_keys.with({{Setting::attention_bias, "attention_bias"}});
  family.rope = {.theta = 500000, .by_kind = true, .local_theta = 500000};
  family.rope_rule = RopeRule::by_kind;
  family.window_rule = WindowRule::pattern;
  family.sliding_window = 4096;
  family.pattern = 4;
  return family;
}

Family exaone4() {
  return {.model_type = "exaone4",
          .architecture = "Exaone4ForCausalLM",
          .models = "EXAONE 4",
          .gguf_architecture = "exaone4",
          .keys = windowed_keys.with({{Setting::window_pattern, "sliding_window_pattern"}}),
          .harmless_keys = {"attention_dropout"},
          .names = olmo2_names,
          .assumed = {.num_kv_heads = 32,
                      .max_positions = 2048,
                      .norm_placement = NormPlacement::inside,
                      .norm_eps = 1e-5,
                      .qk_norm = QkNorm::per_head},
          .rope_rule = RopeRule::if_windows,
          .window_rule = WindowRule::pattern,
          .sliding_window = 4096,
          .pattern = 4};
}

Family glm() {
  return {.model_type = "glm",
          .architecture = "GlmForCausalLM",
          .models = "GLM-4 9B (glm)",
          .gguf_architecture = "chatglm",
          .keys = llama_keys.with({{Setting::qkv_bias, "attention_bias"}}),
          .harmless_keys = {"attention_dropout"},
          .names = glm_names,
          .assumed = {.num_kv_heads = 2,
                      .head_dim = 128,
                      .max_positions = 131072,
                      .norm_eps = 1.5625e-7,
                      .qkv_bias = true,
                      .interleaved_rope = true},
          .rope = {.partial = true, .share = 0.5}};
}

Family glm4() {
  Family family = glm();
  family.model_type = "glm4";
  family.architecture = "Glm4ForCausalLM";
  family.models = "GLM-4-0414, GLM-Z1";
  family.gguf_architecture = "glm4";
  family.names.parts = glm_names.parts.with(
      {{Part::attention_post_norm, "post_self_attn_layernorm"}, {Part::mlp_post_norm, "post_mlp_layernorm"}});
  family.assumed.norm_placement = NormPlacement::both;
  return family;
}

Family cohere() {
  return {.model_type = "cohere",
          .architecture = "CohereForCausalLM",
          .models = "Command-R, Aya 23",
          .gguf_architecture = "command-r",
          .keys = cohere_keys.with({{Setting::qk_norm, "use_qk_norm"}}),
          .harmless_keys = {"attention_dropout"},
          .names = cohere_names,
          .assumed = {.max_positions = 8192,
                      .norm = NormKind::layer,
                      .norm_eps = 1e-5,
                      .parallel_residual = true,
                      .tied_head = true,
                      .interleaved_rope = true,
                      .logit_scale = 0.0625},
          .qk_norm = QkNorm::per_head_own,
          .rope = {.theta = 500000}};
}

Family cohere2() {
  Family family = cohere();
  family.model_type = "cohere2";
  family.architecture = "Cohere2ForCausalLM";
  family.models = "Command-R7B, Command-A";
  family.gguf_architecture = "cohere2";
  family.keys = cohere_keys.with({{Setting::head_dim, ""},
                                  {Setting::sliding_window, "sliding_window"},
                                  {Setting::layer_types, "layer_types"},
                                  {Setting::window_pattern, "sliding_window_pattern"}});
  family.harmless_keys = {"attention_dropout",
                          "head_dim",
                          "layer_switch",
                          "order_of_interleaved_layers",
                          "position_embedding_type",
                          "rotary_pct",
                          "use_embedding_sharing",
                          "use_gated_activation",
                          "use_parallel_block",
                          "use_parallel_embedding",
                          "use_qk_norm"};
  family.rope = {};
  family.rope_rule = RopeRule::windowed;
  family.window_rule = WindowRule::pattern;
  family.sliding_window = 4096;
  family.pattern = 4;
  return family;
}

}  // namespace

std::vector<Family> llama_like_families() {
  return {llama(), mistral(), ministral(), ministral3(), qwen2(),   qwen3(),  phi3(),    smollm3(), granite(),
          olmo(),  olmo2(),   olmo3(),     glm(),        exaone4(), cohere(), cohere2(), glm4()};
}

}  // namespace sleb
