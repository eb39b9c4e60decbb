// transformers, configuration_*.py and modeling_*.py of each model_type.
#include "sleb/base/error.h"
#include "sleb/checkpoint/families/tables.h"

namespace sleb {
namespace {

constexpr PartNames fused_qkv(std::string_view name) {
  return PartNames({{Part::query, name}, {Part::key, name}, {Part::value, name}});
}

// And a layer norm as torch.nn has it by default.
ModelSpec with_layer_norm(ModelSpec spec) {
  spec.norm = NormKind::layer;
  spec.norm_eps = 1e-5;
  spec.norm_bias = true;
  return spec;
}

constexpr ConfigKeys gpt2_keys({{Setting::num_blocks, "n_layer"},
                                {Setting::hidden_size, "n_embd"},
                                {Setting::intermediate_size, "n_inner"},
                                {Setting::num_heads, "n_head"},
                                {Setting::max_positions, "n_positions"},
                                {Setting::activation, "activation_function"},
                                {Setting::norm_eps, "layer_norm_epsilon"}});

// BLOOM and Falcon.
constexpr PartNames bloom_parts = fused_qkv("self_attention.query_key_value")
                                      .with({{Part::attention_norm, "input_layernorm"},
                                             {Part::attention_output, "self_attention.dense"},
                                             {Part::mlp_norm, "post_attention_layernorm"},
                                             {Part::up, "mlp.dense_h_to_4h"},
                                             {Part::down, "mlp.dense_4h_to_h"}});

// Their epsilon is torch's own (transformers, modeling_opt.py).
Family opt() {
  return {.model_type = "opt",
          .architecture = "OPTForCausalLM",
          .models = "OPT, Galactica",
          .gguf_architecture = "",
          .keys = usual_sizes.with({{Setting::intermediate_size, "ffn_dim"},
                                    {Setting::activation, "activation_function"},
                                    {Setting::every_bias, "enable_bias"},
                                    {Setting::embedding_size, "word_embed_proj_dim"},
                                    {Setting::norm_affine, "layer_norm_elementwise_affine"},
                                    {Setting::norm_before, "do_layer_norm_before"},
                                    {Setting::remove_final_norm, "_remove_final_layer_norm"}}),
          .harmless_keys = {"activation_dropout", "attention_dropout", "dropout", "init_std", "layerdrop"},
          .names = {.embedding = "model.decoder.embed_tokens",
                    .positions = "model.decoder.embed_positions",
                    .project_in = "model.decoder.project_in",
                    .final_norm = "model.decoder.final_layer_norm",
                    .project_out = "model.decoder.project_out",
                    .block_prefix = "model.decoder.layers.",
                    .parts = llama_parts.with({{Part::attention_norm, "self_attn_layer_norm"},
                                               {Part::attention_output, "self_attn.out_proj"},
                                               {Part::mlp_norm, "final_layer_norm"},
                                               {Part::gate, ""},
                                               {Part::up, "fc1"},
                                               {Part::down, "fc2"}})},
          .assumed = with_layer_norm({.max_positions = 2048,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::relu,
                                      .qkv_bias = true,
                                      .attention_output_bias = true,
                                      .mlp_bias = true,
                                      .tied_head = true,
                                      .position = PositionKind::learned,
                                      .position_offset = 2})};
}

Family gpt2() {
  return {.model_type = "gpt2",
          .architecture = "GPT2LMHeadModel",
          .models = "GPT-2, DistilGPT-2, Cerebras-GPT",
          .gguf_architecture = "gpt2",
          .keys = gpt2_keys.with({{Setting::scales_attention, "scale_attn_weights"}}),
          .harmless_keys = {"attn_pdrop", "embd_pdrop", "n_ctx", "reorder_and_upcast_attn", "resid_pdrop",
                            "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
                            "summary_use_proj"},
          .refused_keys = {{"scale_attn_by_inverse_layer_idx",
                            "the scale of a block's attention depends on its number, which changes with removal"},
                           {"add_cross_attention", "a decoder that attends to an encoder is not known here"}},
          .names = {.base_prefix = "transformer.",
                    .embedding = "transformer.wte",
                    .positions = "transformer.wpe",
                    .final_norm = "transformer.ln_f",
                    .block_prefix = "transformer.h.",
                    .parts = fused_qkv("attn.c_attn")
                                 .with({{Part::attention_norm, "ln_1"},
                                        {Part::attention_output, "attn.c_proj"},
                                        {Part::mlp_norm, "ln_2"},
                                        {Part::up, "mlp.c_fc"},
                                        {Part::down, "mlp.c_proj"}})},
          .assumed = with_layer_norm({.max_positions = 1024,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu_tanh,
                                      .qkv_bias = true,
                                      .attention_output_bias = true,
                                      .mlp_bias = true,
                                      .tied_head = true,
                                      .transposed_matrices = true,
                                      .position = PositionKind::learned}),
          .intermediate_times_hidden = 4};
}

Family gpt_neox() {
  return {.model_type = "gpt_neox",
          .architecture = "GPTNeoXForCausalLM",
          .models = "GPT-NeoX, Pythia, Dolly v2",
          .gguf_architecture = "gptneox",
          .keys = usual_sizes.with({{Setting::intermediate_size, "intermediate_size"},
                                    {Setting::activation, "hidden_act"},
                                    {Setting::norm_eps, "layer_norm_eps"},
                                    {Setting::attention_bias, "attention_bias"},
                                    {Setting::parallel_residual, "use_parallel_residual"}}),
          .harmless_keys = {"attention_dropout", "classifier_dropout", "hidden_dropout"},
          .names = {.base_prefix = "gpt_neox.",
                    .embedding = "gpt_neox.embed_in",
                    .final_norm = "gpt_neox.final_layer_norm",
                    .head = "embed_out",
                    .block_prefix = "gpt_neox.layers.",
                    .parts = bloom_parts.with({{Part::query, "attention.query_key_value"},
                                               {Part::key, "attention.query_key_value"},
                                               {Part::value, "attention.query_key_value"},
                                               {Part::attention_output, "attention.dense"}})},
          .assumed = with_layer_norm({.max_positions = 2048,
                                      .parallel_residual = true,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu,
                                      .qkv_bias = true,
                                      .attention_output_bias = true,
                                      .mlp_bias = true,
                                      .qkv_layout = QkvLayout::by_group}),
          .rope = {.theta_key = "rotary_emb_base", .partial = true, .share = 0.25, .share_key = "rotary_pct"}};
}

Family gptj() {
  return {.model_type = "gptj",
          .architecture = "GPTJForCausalLM",
          .models = "GPT-J",
          .gguf_architecture = "",
          .keys = gpt2_keys,
          .harmless_keys = {"attn_pdrop", "embd_pdrop", "resid_pdrop", "rotary", "scale_attn_weights",
                            "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
                            "summary_use_proj", "tokenizer_class"},
          .names = {.base_prefix = "transformer.",
                    .embedding = "transformer.wte",
                    .final_norm = "transformer.ln_f",
                    .block_prefix = "transformer.h.",
                    .parts = {{Part::attention_norm, "ln_1"},
                              {Part::query, "attn.q_proj"},
                              {Part::key, "attn.k_proj"},
                              {Part::value, "attn.v_proj"},
                              {Part::attention_output, "attn.out_proj"},
                              {Part::mlp_norm, "ln_1"},
                              {Part::up, "mlp.fc_in"},
                              {Part::down, "mlp.fc_out"}}},
          .assumed = with_layer_norm({.max_positions = 2048,
                                      .parallel_residual = true,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu_tanh,
                                      .mlp_bias = true,
                                      .head_bias = true,
                                      .interleaved_rope = true}),
          .intermediate_times_hidden = 4,
          .rope = {.theta_key = "", .dims_key = "rotary_dim", .dims = 64}};
}

Family bloom() {
  return {.model_type = "bloom",
          .architecture = "BloomForCausalLM",
          .models = "BLOOM, BLOOMZ",
          .gguf_architecture = "bloom",
          .keys = {{Setting::num_blocks, "n_layer"},
                   {Setting::hidden_size, "n_embed"},
                   {Setting::num_heads, "n_head"},
                   {Setting::norm_eps, "layer_norm_epsilon"},
                   {Setting::norm_first, "apply_residual_connection_post_layernorm"}},
          .harmless_keys = {"attention_dropout", "attention_softmax_in_fp32", "bias_dropout_fusion", "hidden_dropout",
                            "masked_softmax_fusion", "offset_alibi", "pretraining_tp", "seq_length", "skip_bias_add",
                            "skip_bias_add_qkv", "slow_but_exact", "unk_token_id"},
          .names = {.base_prefix = "transformer.",
                    .embedding = "transformer.word_embeddings",
                    .embedding_norm = "transformer.word_embeddings_layernorm",
                    .final_norm = "transformer.ln_f",
                    .block_prefix = "transformer.h.",
                    .parts = bloom_parts},
          .assumed = with_layer_norm({.max_positions = 2048,
                                      .embedding_norm = true,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu_tanh,
                                      .qkv_bias = true,
                                      .attention_output_bias = true,
                                      .mlp_bias = true,
                                      .tied_head = true,
                                      .qkv_layout = QkvLayout::by_group,
                                      .position = PositionKind::alibi}),
          .intermediate_times_hidden = 4};
}

// Three generations of one architecture, told apart by four members.
void derive_falcon(const JsonView& config, ModelSpec& spec) {
  const bool is_new = config.boolean_or("new_decoder_architecture", false);
  const bool is_parallel = config.boolean_or("parallel_attn", true);
  const int64_t norms = config.integer_or("num_ln_in_parallel_attn", is_new ? 2 : 1);
  if (is_new && !is_parallel)
    config.at("parallel_attn").fail("false beside new_decoder_architecture is not known here");
  if (norms < 1 || norms > (is_new ? 2 : 1)) {
    config.at("num_ln_in_parallel_attn").fail(fmt::format("{} norms are not known here", norms));
  }
  if (!is_new) spec.num_kv_heads = config.boolean_or("multi_query", true) ? 1 : spec.num_heads;
  spec.parallel_residual = is_parallel;
  PartNames& parts = spec.names.parts;
  if (is_parallel) parts = parts.with({{Part::mlp_norm, parts[Part::attention_norm]}});
  if (is_new && norms == 2) parts = parts.with({{Part::attention_norm, "ln_attn"}, {Part::mlp_norm, "ln_mlp"}});
  if (config.boolean_or("alibi", false)) spec.position = PositionKind::alibi;
}

Family falcon() {
  return {.model_type = "falcon",
          .architecture = "FalconForCausalLM",
          .models = "Falcon 7B to 180B, Falcon-RW",
          .gguf_architecture = "falcon",
          .keys = usual_sizes.with({{Setting::hidden_size, "n_embed"},
                                    {Setting::intermediate_size, "ffn_hidden_size"},
                                    {Setting::num_kv_heads, "num_kv_heads"},
                                    {Setting::activation, "activation"},
                                    {Setting::norm_eps, "layer_norm_epsilon"},
                                    {Setting::every_bias, "bias"}}),
          .harmless_keys = {"alibi", "apply_residual_connection_post_layernorm", "attention_dropout", "hidden_dropout",
                            "multi_query", "new_decoder_architecture", "num_ln_in_parallel_attn", "parallel_attn"},
          .names = {.base_prefix = "transformer.",
                    .embedding = "transformer.word_embeddings",
                    .final_norm = "transformer.ln_f",
                    .block_prefix = "transformer.h.",
                    .parts = bloom_parts},
          .assumed = with_layer_norm({.max_positions = 2048,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu,
                                      .tied_head = true,
                                      .qkv_layout = QkvLayout::by_group,
                                      .alibi = {.scaled = true, .bfloat16 = true}}),
          .intermediate_times_hidden = 4,
          .derive = derive_falcon};
}

Family phi() {
  return {.model_type = "phi",
          .architecture = "PhiForCausalLM",
          .models = "Phi-1, 1.5, 2",
          .gguf_architecture = "phi2",
          .keys = llama_keys.with({{Setting::norm_eps, "layer_norm_eps"}, {Setting::qk_norm, "qk_layernorm"}}),
          .harmless_keys = {"attention_dropout", "embd_pdrop", "resid_pdrop"},
          .names = {.embedding = "model.embed_tokens",
                    .final_norm = "model.final_layernorm",
                    .block_prefix = "model.layers.",
                    .parts = llama_parts.with({{Part::query_norm, "self_attn.q_layernorm"},
                                               {Part::key_norm, "self_attn.k_layernorm"},
                                               {Part::attention_output, "self_attn.dense"},
                                               {Part::mlp_norm, "input_layernorm"},
                                               {Part::gate, ""},
                                               {Part::up, "mlp.fc1"},
                                               {Part::down, "mlp.fc2"}})},
          .assumed = with_layer_norm({.max_positions = 2048,
                                      .qk_norm_bias = true,
                                      .parallel_residual = true,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu_tanh,
                                      .qkv_bias = true,
                                      .attention_output_bias = true,
                                      .mlp_bias = true,
                                      .head_bias = true}),
          .qk_norm = QkNorm::per_head,
          .rope = {.partial = true, .share = 0.5}};
}

Family stablelm() {
  return {.model_type = "stablelm",
          .architecture = "StableLmForCausalLM",
          .models = "StableLM 2, StableLM-3B",
          .gguf_architecture = "stablelm",
          .keys = llama_keys.with({{Setting::head_dim, ""},
                                   {Setting::norm_eps, "layer_norm_eps"},
                                   {Setting::qkv_bias, "use_qkv_bias"},
                                   {Setting::qk_norm, "qk_layernorm"},
                                   {Setting::parallel_residual, "use_parallel_residual"}}),
          .harmless_keys = {"attention_dropout", "hidden_dropout"},
          .names = llama_names_with(
              {{Part::query_norm, "self_attn.q_layernorm.norms.*"}, {Part::key_norm, "self_attn.k_layernorm.norms.*"}}),
          .assumed = with_layer_norm({.num_kv_heads = 32, .max_positions = 4096}),
          .qk_norm = QkNorm::per_head_own,
          .one_norm_in_parallel = true,
          .rope = {.partial = true, .share = 0.25}};
}

Family starcoder2() {
  return {.model_type = "starcoder2",
          .architecture = "Starcoder2ForCausalLM",
          .models = "StarCoder2",
          .gguf_architecture = "starcoder2",
          .keys = llama_keys.with({{Setting::norm_eps, "norm_epsilon"},
                                   {Setting::every_bias, "use_bias"},
                                   {Setting::sliding_window, "sliding_window"}}),
          .harmless_keys = {"attention_dropout", "embedding_dropout", "residual_dropout"},
          .names = llama_names_with({{Part::gate, ""}, {Part::up, "mlp.c_fc"}, {Part::down, "mlp.c_proj"}}),
          .assumed = with_layer_norm({.num_kv_heads = 2,
                                      .max_positions = 4096,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::gelu_tanh,
                                      .qkv_bias = true,
                                      .attention_output_bias = true,
                                      .mlp_bias = true,
                                      .tied_head = true})};
}

Family nemotron() {
  return {.model_type = "nemotron",
          .architecture = "NemotronForCausalLM",
          .models = "Nemotron-3, Minitron",
          .gguf_architecture = "nemotron",
          .keys = llama_keys.with({{Setting::norm_eps, "norm_eps"},
                                   {Setting::attention_bias, "attention_bias"},
                                   {Setting::mlp_bias, "mlp_bias"}}),
          .harmless_keys = {"attention_dropout"},
          .names = llama_names_with({{Part::gate, ""}}),
          .assumed = with_layer_norm({.max_positions = 4096,
                                      .norm_weight_offset = 1,
                                      .mlp = MlpKind::plain,
                                      .activation = Activation::relu_squared}),
          .rope = {.partial = true, .share = 0.5}};
}

}  // namespace

std::vector<Family> gpt_like_families() {
  return {opt(), gpt2(), gpt_neox(), gptj(), bloom(), falcon(), phi(), stablelm(), starcoder2(), nemotron()};
}

}  // namespace sleb
