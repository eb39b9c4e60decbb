// configuration_*.py and modeling_*.py that come with the models of each model_type.
#include "sleb/checkpoint/families/tables.h"

namespace sleb {
namespace {

// LG AI Research. Llama's arithmetic, GPT-2's names.
Family exaone() {
  return {.model_type = "exaone",
          .architecture = "ExaoneForCausalLM",
          .models = "EXAONE 3.0, 3.5, Deep",
          .gguf_architecture = "exaone",
          .own_code = true,
          .keys = llama_keys.with({{Setting::num_blocks, "num_layers"},
                                   {Setting::activation, "activation_function"},
                                   {Setting::norm_eps, "layer_norm_epsilon"}}),
          .harmless_keys = {"attention_dropout", "embed_dropout"},
          .names = {.base_prefix = "transformer.",
                    .embedding = "transformer.wte",
                    .final_norm = "transformer.ln_f",
                    .block_prefix = "transformer.h.",
                    .parts = {{Part::attention_norm, "ln_1"},
                              {Part::query, "attn.attention.q_proj"},
                              {Part::key, "attn.attention.k_proj"},
                              {Part::value, "attn.attention.v_proj"},
                              {Part::attention_output, "attn.attention.out_proj"},
                              {Part::mlp_norm, "ln_2"},
                              {Part::gate, "mlp.c_fc_0"},
                              {Part::up, "mlp.c_fc_1"},
                              {Part::down, "mlp.c_proj"}}},
          .assumed = {.max_positions = 2048, .norm_eps = 1e-5, .tied_head = true},
          .intermediate_times_hidden = 4};
}

// Shanghai AI Laboratory. Llama's arithmetic, with queries, keys and values in one tensor, group by group.
Family internlm2() {
  return {.model_type = "internlm2",
          .architecture = "InternLM2ForCausalLM",
          .models = "InternLM 2, 2.5",
          .gguf_architecture = "internlm2",
          .own_code = true,
          .keys = llama_keys.with({{Setting::head_dim, ""}, {Setting::attention_bias, "bias"}}),
          .harmless_keys = {"pretraining_tp"},
          .names = {.embedding = "model.tok_embeddings",
                    .final_norm = "model.norm",
                    .head = "output",
                    .block_prefix = "model.layers.",
                    .parts = {{Part::attention_norm, "attention_norm"},
                              {Part::query, "attention.wqkv"},
                              {Part::key, "attention.wqkv"},
                              {Part::value, "attention.wqkv"},
                              {Part::attention_output, "attention.wo"},
                              {Part::mlp_norm, "ffn_norm"},
                              {Part::gate, "feed_forward.w1"},
                              {Part::up, "feed_forward.w3"},
                              {Part::down, "feed_forward.w2"}}},
          .assumed = {.max_positions = 2048,
                      .norm_eps = 1e-6,
                      .qkv_bias = true,
                      .attention_output_bias = true,
                      .qkv_layout = QkvLayout::by_group}};
}

// Classes disagree on what absent scales are: MiniCPM 1's 1, 1 and 1, that of later transformers 12, 1.4 and 256.
void require_scales(const JsonView& config, ModelSpec& /*spec*/) {
  for (const char* key : {"scale_emb", "scale_depth", "dim_model_base"}) config.at(key).number();
}

// OpenBMB. What transformers' Granite computes, by other keys.
Family minicpm() {
  return {
      .model_type = "minicpm",
      .architecture = "MiniCPMForCausalLM",
      .models = "MiniCPM 1B, 2B, MiniCPM4 with dense attention",
      .gguf_architecture = "minicpm",
      .own_code = true,
      .keys = llama_keys.with({{Setting::attention_bias, "attention_bias"},
                               {Setting::embedding_scale, "scale_emb"},
                               {Setting::residual_depth_scale, "scale_depth"},
                               {Setting::logit_base_size, "dim_model_base"}}),
      .harmless_keys = {"attention_dropout", "mup_denominator", "pretraining_tp"},
      .refused_keys = {{"num_experts", "mixtures of experts are not computed here"},
                       {"sparse_config", "sparse attention is not known here; without this member the model is dense"}},
      .names = llama_names,
      .assumed = {.max_positions = 2048, .norm_eps = 1e-6, .tied_head = true},
      .derive = require_scales};
}

}  // namespace

std::vector<Family> own_code_families() {
  return {exaone(), internlm2(), minicpm()};
}

}  // namespace sleb
