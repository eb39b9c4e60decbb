// Mixtures of experts: transformers, configuration_*.py and modeling_*.py of each model_type.
#include <fmt/format.h>

#include <cmath>

#include "sleb/checkpoint/families/tables.h"

namespace sleb {
namespace {

constexpr TensorNames mixture_names = llama_names_with({{Part::router, "mlp.gate"},
                                                        {Part::expert_gate, "mlp.experts.*.gate_proj"},
                                                        {Part::expert_up, "mlp.experts.*.up_proj"},
                                                        {Part::expert_down, "mlp.experts.*.down_proj"}});

constexpr TensorNames shared_expert_names = [] {
  TensorNames names = mixture_names;
  names.parts = names.parts.with({{Part::shared_gate, "mlp.shared_expert.gate_proj"},
                                  {Part::shared_up, "mlp.shared_expert.up_proj"},
                                  {Part::shared_down, "mlp.shared_expert.down_proj"},
                                  {Part::shared_router, "mlp.shared_expert_gate"}});
  return names;
}();

// One expert for all tokens without a gate; a correction of the scores.
constexpr TensorNames ungated_shared_names = [] {
  TensorNames names = mixture_names;
  names.parts = names.parts.with({{Part::score_correction, "mlp.gate.e_score_correction_bias"},
                                  {Part::shared_gate, "mlp.shared_experts.gate_proj"},
                                  {Part::shared_up, "mlp.shared_experts.up_proj"},
                                  {Part::shared_down, "mlp.shared_experts.down_proj"}});
  return names;
}();

constexpr TensorNames mixtral_names = llama_names_with({{Part::router, "block_sparse_moe.gate"},
                                                        {Part::expert_gate, "block_sparse_moe.experts.*.w1"},
                                                        {Part::expert_up, "block_sparse_moe.experts.*.w3"},
                                                        {Part::expert_down, "block_sparse_moe.experts.*.w2"}});

constexpr ConfigKeys expert_keys = llama_keys.with({{Setting::num_experts, "num_experts"},
                                                    {Setting::experts_per_token, "num_experts_per_tok"},
                                                    {Setting::normalizes_experts, "norm_topk_prob"}});

constexpr ConfigKeys qwen_expert_keys = expert_keys.with({{Setting::expert_size, "moe_intermediate_size"},
                                                          {Setting::dense_blocks, "mlp_only_layers"},
                                                          {Setting::mixture_pattern, "decoder_sparse_step"},
                                                          {Setting::sliding_window, "sliding_window"},
                                                          {Setting::use_sliding_window, "use_sliding_window"}});

// DeepSeek V3 and those after it.
constexpr ConfigKeys grouped_expert_keys = expert_keys.with({{Setting::num_experts, "n_routed_experts"},
                                                             {Setting::expert_size, "moe_intermediate_size"},
                                                             {Setting::num_shared_experts, "n_shared_experts"},
                                                             {Setting::expert_groups, "n_group"},
                                                             {Setting::open_groups, "topk_group"},
                                                             {Setting::experts_scale, "routed_scaling_factor"},
                                                             {Setting::leading_dense_blocks, "first_k_dense_replace"},
                                                             {Setting::appended_blocks, "num_nextn_predict_layers"}});

// DeepSeek's names of what all of its keys, values and queries come from.
constexpr TensorNames latent_names = [] {
  TensorNames names = ungated_shared_names;
  names.parts = names.parts.with({{Part::query_latent, "self_attn.q_a_proj"},
                                  {Part::query_latent_norm, "self_attn.q_a_layernorm"},
                                  {Part::query, "self_attn.q_b_proj"},  // q_proj where there is no q_a_proj
                                  {Part::key, ""},
                                  {Part::value, ""},
                                  {Part::latent, "self_attn.kv_a_proj_with_mqa"},
                                  {Part::latent_norm, "self_attn.kv_a_layernorm"},
                                  {Part::latent_key_value, "self_attn.kv_b_proj"}});
  return names;
}();

constexpr ConfigKeys with_latent(const ConfigKeys& keys) {
  return keys.with({{Setting::head_dim, ""},
                    {Setting::attention_bias, "attention_bias"},
                    {Setting::latent_size, "kv_lora_rank"},
                    {Setting::query_latent_size, "q_lora_rank"},
                    {Setting::plain_dims, "qk_nope_head_dim"},
                    {Setting::turned_dims, "qk_rope_head_dim"},
                    {Setting::value_dim, "v_head_dim"}});
}
constexpr ConfigKeys latent_attention_keys = with_latent(llama_keys);
constexpr ConfigKeys latent_keys =
    with_latent(grouped_expert_keys).with({{Setting::interleaved_rope, "rope_interleave"}});

Family mixtral() {
  return {.model_type = "mixtral",
          .architecture = "MixtralForCausalLM",
          .models = "Mixtral 8x7B, 8x22B",
          .gguf_architecture = "llama",
          .keys = llama_keys.with({{Setting::num_experts, "num_local_experts"},
                                   {Setting::experts_per_token, "num_experts_per_tok"},
                                   {Setting::sliding_window, "sliding_window"}}),
          .harmless_keys = {"attention_dropout", "output_router_logits", "router_aux_loss_coef", "router_jitter_noise"},
          .names = mixtral_names,
          .assumed = {.num_kv_heads = 8,
                      .max_positions = 131072,
                      .norm_eps = 1e-5,
                      .experts = {.count = 8, .chosen = 2, .normalized = true}}};
}

Family qwen2_moe() {
  return {.model_type = "qwen2_moe",
          .architecture = "Qwen2MoeForCausalLM",
          .models = "Qwen1.5-MoE, Qwen2-57B-A14B",
          .gguf_architecture = "qwen2moe",
          .keys = qwen_expert_keys.with({{Setting::qkv_bias, "qkv_bias"},
                                         {Setting::shared_expert_size, "shared_expert_intermediate_size"},
                                         {Setting::layer_types, "layer_types"},
                                         {Setting::first_window, "max_window_layers"}}),
          .harmless_keys = {"attention_dropout", "num_local_experts", "output_router_logits", "router_aux_loss_coef",
                            "use_mrope"},
          .names = shared_expert_names,
          .assumed = {.num_kv_heads = 16,
                      .intermediate_size = 5632,
                      .max_positions = 32768,
                      .norm_eps = 1e-6,
                      .experts = {.count = 60, .chosen = 4, .size = 1408, .shared_size = 5632},
                      .qkv_bias = true},
          .window_rule = WindowRule::every_other_before,
          .sliding_window = 4096,
          .pattern = 28};
}

Family qwen3_moe() {
  return {.model_type = "qwen3_moe",
          .architecture = "Qwen3MoeForCausalLM",
          .models = "Qwen3-30B-A3B, 235B-A22B, Coder",
          .gguf_architecture = "qwen3moe",
          .keys = qwen_expert_keys.with({{Setting::attention_bias, "attention_bias"}}),
          .harmless_keys = {"attention_dropout", "max_window_layers", "num_local_experts", "output_router_logits",
                            "router_aux_loss_coef"},
          .names = mixture_names,
          .assumed = {.num_kv_heads = 4,
                      .intermediate_size = 6144,
                      .max_positions = 32768,
                      .norm_eps = 1e-6,
                      .qk_norm = QkNorm::per_head,
                      .experts = {.count = 128, .chosen = 8, .size = 768}},
          .sliding_window = 4096};
}

Family olmoe() {
  return {.model_type = "olmoe",
          .architecture = "OlmoeForCausalLM",
          .models = "OLMoE",
          .gguf_architecture = "olmoe",
          .keys = expert_keys.with({{Setting::attention_bias, "attention_bias"}, {Setting::qkv_clip, "clip_qkv"}}),
          .harmless_keys = {"attention_dropout", "num_local_experts", "output_router_logits", "router_aux_loss_coef"},
          .names = mixture_names,
          .assumed = {.intermediate_size = 2048,
                      .max_positions = 4096,
                      .norm_eps = 1e-5,
                      .qk_norm = QkNorm::whole,
                      .experts = {.count = 64, .chosen = 8}}};
}

Family glm4_moe() {
  return {.model_type = "glm4_moe",
          .architecture = "Glm4MoeForCausalLM",
          .models = "GLM-4.5, 4.5-Air, 4.6, 4.7",
          .gguf_architecture = "glm4moe",
          .keys = grouped_expert_keys.with({{Setting::qkv_bias, "attention_bias"}, {Setting::qk_norm, "use_qk_norm"}}),
          .harmless_keys = {"attention_dropout", "num_local_experts", "num_mtp_layers", "output_router_logits"},
          .names = ungated_shared_names,
          .assumed = {.num_kv_heads = 8,
                      .intermediate_size = 10944,
                      .max_positions = 131072,
                      .norm_eps = 1e-5,
                      .experts = {.count = 128,
                                  .chosen = 8,
                                  .size = 1408,
                                  .scores = ExpertScores::sigmoid,
                                  .corrected = true,
                                  .group_terms = 2,
                                  .normalized = true,
                                  .shared_size = 1408,
                                  .shared_gate = false},
                      .appended_blocks = 1},
          .leading_dense_blocks = 1,
          .qk_norm = QkNorm::per_head,
          .rope = {.partial = true, .share = 0.5}};
}

// Members that say what the class computes whatever they say.
void expect(const JsonView& config, const char* key, std::string_view expected) {
  const auto member = config.find(key);
  if (member && member->string() != expected) {
    member->fail(fmt::format("\"{}\", where transformers' class has \"{}\"", member->string(), expected));
  }
}

void expect_experts_in_all_blocks(const JsonView& config) {
  const auto frequency = config.find("moe_layer_freq");
  if (frequency && frequency->raw() != 1)
    frequency->fail("transformers' class has experts in all blocks behind the first");
}

void expect_routing_of_deepseek_v3(const JsonView& config, ModelSpec&) {
  expect(config, "scoring_func", "sigmoid");
  expect(config, "topk_method", "noaux_tc");
  expect_experts_in_all_blocks(config);
}

Family dots1() {
  return {.model_type = "dots1",
          .architecture = "Dots1ForCausalLM",
          .models = "dots.llm1",
          .gguf_architecture = "dots1",
          .keys = grouped_expert_keys.with({{Setting::attention_bias, "attention_bias"},
                                            {Setting::sliding_window, "sliding_window"},
                                            {Setting::layer_types, "layer_types"},
                                            {Setting::first_window, "max_window_layers"},
                                            {Setting::appended_blocks, ""}}),
          .harmless_keys = {"attention_dropout", "moe_layer_freq", "num_local_experts", "output_router_logits",
                            "pretraining_tp", "scoring_func", "topk_method"},
          .names = ungated_shared_names,
          .assumed = {.max_positions = 2048,
                      .norm_eps = 1e-6,
                      .qk_norm = QkNorm::per_head,
                      .experts = {.count = 128,
                                  .chosen = 6,
                                  .size = 1408,
                                  .scores = ExpertScores::sigmoid,
                                  .corrected = true,
                                  .group_terms = 2,
                                  .shared_size = 2816,
                                  .shared_gate = false}},
          .window_rule = WindowRule::from_block,
          .sliding_window = 4096,
          .pattern = 62,
          .derive = expect_routing_of_deepseek_v3};
}

// Scores are scaled by the square of yarn's factor, where mscale_all_dim asks for it (yarn_apply_mscale).
void scale_latent_attention(const JsonView& config, ModelSpec& spec) {
  auto rope = config.find("rope_scaling");
  if (!rope || rope->raw().empty()) rope = config.find("rope_parameters");
  if (!rope || !rope->is_object()) return;
  const std::string kind = rope->string_or("rope_type", rope->string_or("type", "default"));
  const double weight = rope->number_or("mscale_all_dim", 0);
  if (kind == "default" || weight == 0) return;
  const double factor = rope->at("factor").number();
  const double scale = factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1;
  spec.attention_scale = scale * scale / std::sqrt(static_cast<double>(spec.head_dim));
}

void derive_deepseek_v2(const JsonView& config, ModelSpec& spec) {
  expect(config, "scoring_func", "softmax");
  expect_experts_in_all_blocks(config);
  const std::string method = config.string_or("topk_method", "greedy");
  if (method == "greedy") spec.experts.groups = spec.experts.open_groups = 1;
  if (method != "greedy" && method != "group_limited_greedy") {
    config.at("topk_method")
        .fail(fmt::format("\"{}\" is not known here (greedy and group_limited_greedy are)", method));
  }
  scale_latent_attention(config, spec);
}

void derive_deepseek_v3(const JsonView& config, ModelSpec& spec) {
  expect_routing_of_deepseek_v3(config, spec);
  scale_latent_attention(config, spec);
}

// head_dim is another name of qk_rope_head_dim there.
void derive_glm4_moe_lite(const JsonView& config, ModelSpec& spec) {
  const auto dims = config.find("head_dim");
  if (dims && dims->raw() != spec.latent.turned_dims) {
    dims->fail(fmt::format("another than qk_rope_head_dim, {}, which transformers' class calls so too",
                           spec.latent.turned_dims));
  }
  derive_deepseek_v3(config, spec);
}

constexpr LatentSpec deepseek_latent = {
    .size = 512, .query_size = 1536, .plain_dims = 128, .turned_dims = 64, .value_dim = 128};

Family deepseek_v3() {
  return {.model_type = "deepseek_v3",
          .architecture = "DeepseekV3ForCausalLM",
          .models = "DeepSeek V3, R1, Moonlight",
          .gguf_architecture = "deepseek2",
          .keys = latent_keys,
          .harmless_keys = {"attention_dropout", "aux_loss_alpha", "ep_size", "head_dim", "moe_layer_freq",
                            "num_local_experts", "num_mtp_layers", "output_router_logits", "pretraining_tp",
                            "qk_head_dim", "scoring_func", "seq_aux", "topk_method"},
          .names = latent_names,
          .assumed = {.intermediate_size = 18432,
                      .max_positions = 4096,
                      .norm_eps = 1e-6,
                      .experts = {.count = 256,
                                  .chosen = 8,
                                  .size = 2048,
                                  .scores = ExpertScores::sigmoid,
                                  .corrected = true,
                                  .groups = 8,
                                  .open_groups = 4,
                                  .group_terms = 2,
                                  .normalized = true,
                                  .scale = 2.5,
                                  .shared_size = 2048,
                                  .shared_gate = false},
                      .latent = deepseek_latent,
                      .interleaved_rope = true,
                      .appended_blocks = 1},
          .leading_dense_blocks = 3,
          .derive = derive_deepseek_v3};
}

Family deepseek_v2() {
  Family family = deepseek_v3();
  family.model_type = "deepseek_v2";
  family.architecture = "DeepseekV2ForCausalLM";
  family.models = "DeepSeek V2, V2-Lite, Coder-V2";
  family.keys = latent_keys.with(
      {{Setting::interleaved_rope, ""}, {Setting::normalizes_experts, ""}, {Setting::appended_blocks, ""}});
  family.harmless_keys.push_back("num_experts");
  family.refused_keys = {{"norm_topk_prob", "transformers' class does not divide experts' weights by their sum"},
                         {"mlp_bias", "biases of experts are not known here"}};
  family.names.parts = latent_names.parts.with({{Part::score_correction, ""}});
  family.assumed.intermediate_size = 11008;
  family.assumed.max_positions = 2048;
  family.assumed.experts = {
      .count = 64, .size = 1407, .scores = ExpertScores::wide_softmax, .shared_size = 2814, .shared_gate = false};
  family.assumed.appended_blocks = 0;
  family.leading_dense_blocks = 0;
  family.derive = derive_deepseek_v2;
  return family;
}

Family glm4_moe_lite() {
  Family family = deepseek_v3();
  family.model_type = "glm4_moe_lite";
  family.architecture = "Glm4MoeLiteForCausalLM";
  family.models = "GLM-4.7-Flash";
  family.keys = latent_keys.with({{Setting::mlp_kinds, "mlp_layer_types"}});
  family.assumed.intermediate_size = 10240;
  family.assumed.max_positions = 202752;
  family.assumed.norm_eps = 1e-5;
  ExpertSpec& experts = family.assumed.experts;
  experts.count = 64;
  experts.chosen = 4;
  experts.size = experts.shared_size = 1536;
  experts.groups = experts.open_groups = 1;
  experts.scale = 1.8;
  family.assumed.latent = {.size = 512, .query_size = 768, .plain_dims = 192, .turned_dims = 64, .value_dim = 256};
  family.leading_dense_blocks = 1;
  family.rope = {.partial = true};
  family.derive = derive_glm4_moe_lite;
  return family;
}

// Norms behind the halves alone, as OLMo 2.
Family flex_olmo() {
  Family family = olmoe();
  family.model_type = "flex_olmo";
  family.architecture = "FlexOlmoForCausalLM";
  family.models = "FlexOlmo";
  family.gguf_architecture = "";
  family.keys = expert_keys.with({{Setting::attention_bias, "attention_bias"}});
  family.names.parts = mixture_names.parts.with({{Part::attention_post_norm, "post_attention_layernorm"},
                                                 {Part::mlp_norm, ""},
                                                 {Part::mlp_post_norm, "post_feedforward_layernorm"}});
  family.assumed.intermediate_size = 11008;
  family.assumed.norm_placement = NormPlacement::inside;
  family.assumed.norm_eps = 1e-6;
  family.assumed.experts = {.count = 7, .chosen = 5};
  family.rope = {.theta = 500000};
  return family;
}

Family exaone_moe() {
  TensorNames names = ungated_shared_names;
  names.parts = names.parts.with({{Part::score_correction, "mlp.e_score_correction_bias"}});
  return {.model_type = "exaone_moe",
          .architecture = "ExaoneMoeForCausalLM",
          .models = "K-EXAONE",
          .gguf_architecture = "",
          .keys = grouped_expert_keys.with({{Setting::num_experts, "num_experts"},
                                            {Setting::num_shared_experts, "num_shared_experts"},
                                            {Setting::mlp_kinds, "mlp_layer_types"},
                                            {Setting::sliding_window, "sliding_window"},
                                            {Setting::layer_types, "layer_types"},
                                            {Setting::window_pattern, "sliding_window_pattern"}}),
          .harmless_keys = {"attention_dropout", "num_local_experts", "output_router_logits"},
          .names = names,
          .assumed = {.num_kv_heads = 32,
                      .intermediate_size = 16384,
                      .max_positions = 2048,
                      .norm_eps = 1e-5,
                      .qk_norm = QkNorm::per_head,
                      .experts = {.count = 64,
                                  .chosen = 8,
                                  .size = 1024,
                                  .scores = ExpertScores::sigmoid,
                                  .corrected = true,
                                  .group_terms = 2,
                                  .normalized = true,
                                  .scale = 2.5,
                                  .shared_size = 1024,
                                  .shared_gate = false}},
          .leading_dense_blocks = 1,
          .rope_rule = RopeRule::if_windows,
          .window_rule = WindowRule::pattern,
          .sliding_window = 4096,
          .pattern = 4};
}

// Latent attention with an MLP in all blocks.
Family youtu() {
  return {.model_type = "youtu",
          .architecture = "YoutuForCausalLM",
          .models = "Youtu-LLM",
          .gguf_architecture = "deepseek2",
          .keys = latent_attention_keys.with({{Setting::interleaved_rope, "rope_interleave"}}),
          .harmless_keys = {"attention_dropout", "embedding_initializer_range", "head_dim", "qk_head_dim"},
          .names = latent_names,
          .assumed = {.intermediate_size = 6144,
                      .max_positions = 131072,
                      .norm_eps = 1e-6,
                      .latent = deepseek_latent,
                      .tied_head = true,
                      .interleaved_rope = true},
          .derive = scale_latent_attention};
}

// A head's values are as wide as the hidden state's share of it, and null scales are none.
void derive_minicpm3(const JsonView& config, ModelSpec& spec) {
  if (!config.find("v_head_dim")) spec.latent.value_dim = spec.hidden_size / spec.num_heads;
  if (!config.raw().contains("scale_depth"))
    spec.residual_scale = 1.4 / std::sqrt(static_cast<double>(spec.num_blocks));
  if (!config.raw().contains("dim_model_base")) spec.logit_scale = 256 / static_cast<double>(spec.hidden_size);
  scale_latent_attention(config, spec);
}

Family minicpm3() {
  return {.model_type = "minicpm3",
          .architecture = "MiniCPM3ForCausalLM",
          .models = "MiniCPM3",
          .gguf_architecture = "minicpm3",
          .keys = latent_attention_keys.with({{Setting::mlp_bias, "mlp_bias"},
                                              {Setting::embedding_scale, "scale_emb"},
                                              {Setting::residual_depth_scale, "scale_depth"},
                                              {Setting::logit_base_size, "dim_model_base"}}),
          .harmless_keys = {"attention_dropout", "head_dim", "pretraining_tp", "qk_head_dim"},
          .names = latent_names,
          .assumed = {.intermediate_size = 6400,
                      .max_positions = 32768,
                      .norm_eps = 1e-5,
                      .latent = {.size = 256, .query_size = 768, .plain_dims = 64, .turned_dims = 32, .value_dim = 64},
                      .tied_head = true,
                      .embedding_scale = 12},
          .derive = derive_minicpm3};
}

// The experts' activation is the same whatever hidden_act says.
void derive_gpt_oss(const JsonView& config, ModelSpec& spec) {
  if (config.raw().contains("sliding_window") && !config.find("sliding_window")) {
    config.fail("sliding_window is null, without which transformers' class does not run");
  }
  spec.activation = Activation::clamped_swish;
  spec.clamp.slope = config.number_or("swiglu_alpha", spec.clamp.slope);
  spec.clamp.limit = config.number_or("swiglu_limit", spec.clamp.limit);
}

// transformers, configuration_gpt_oss.py.
constexpr std::string_view gpt_oss_rope =
    R"({"rope_type": "yarn", "factor": 32, "beta_fast": 32, "beta_slow": 1, "truncate": false,
        "original_max_position_embeddings": 4096})";

Family gpt_oss() {
  return {.model_type = "gpt_oss",
          .architecture = "GptOssForCausalLM",
          .models = "gpt-oss 20B, 120B",
          .gguf_architecture = "gpt-oss",
          .keys = llama_keys.with({{Setting::num_experts, "num_local_experts"},
                                   {Setting::experts_per_token, "num_experts_per_tok"},
                                   {Setting::attention_bias, "attention_bias"},
                                   {Setting::sliding_window, "sliding_window"},
                                   {Setting::layer_types, "layer_types"}}),
          .harmless_keys = {"attention_dropout", "experts_per_token", "initial_context_length", "output_router_logits",
                            "router_aux_loss_coef", "swiglu_alpha", "swiglu_limit"},
          .names = llama_names_with({{Part::sinks, "self_attn.sinks"},
                                     {Part::router, "mlp.router"},
                                     {Part::expert_gate, "mlp.experts.gate_up_proj"},
                                     {Part::expert_up, "mlp.experts.gate_up_proj"},
                                     {Part::expert_down, "mlp.experts.down_proj"}}),
          .assumed = {.num_blocks = 36,
                      .hidden_size = 2880,
                      .num_heads = 64,
                      .num_kv_heads = 8,
                      .head_dim = 64,
                      .intermediate_size = 2880,
                      .vocabulary_size = 201088,
                      .max_positions = 131072,
                      .norm_eps = 1e-5,
                      .experts = {.count = 128,
                                  .chosen = 4,
                                  .scores = ExpertScores::softmax_of_chosen,
                                  .biases = true,
                                  .stacked = true},
                      .qkv_bias = true,
                      .attention_output_bias = true,
                      .attention_sinks = true},
          .rope = {.theta = 150000, .assumed = gpt_oss_rope},
          .window_rule = WindowRule::pattern,
          .sliding_window = 128,
          .pattern = 2,
          .derive = derive_gpt_oss};
}

}  // namespace

std::vector<Family> mixture_families() {
  return {mixtral(),    qwen2_moe(),   qwen3_moe(),   olmoe(),         flex_olmo(), dots1(), glm4_moe(),
          exaone_moe(), deepseek_v2(), deepseek_v3(), glm4_moe_lite(), gpt_oss(),   youtu(), minicpm3()};
}

}  // namespace sleb
