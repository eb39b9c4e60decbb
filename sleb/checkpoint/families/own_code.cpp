// configuration_*.py and modeling_*.py that come with the models of each model_type.
#include <fmt/core.h>

#include <set>

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

// The only one of `sizes`.
int64_t only_size(const JsonView& blocks, std::string_view what, const std::set<int64_t>& sizes) {
  if (sizes.empty()) blocks.fail(fmt::format("no block has {}", what));
  if (sizes.size() > 1) blocks.fail(fmt::format("{} of several sizes is not known here", what));
  return *sizes.begin();
}

// Whether the half is there. Throws where it is something else than the usual.
bool is_there(const JsonView& half) {
  for (const char* key : {"replace_with_linear", "sparsify", "window_length", "num_sink_tokens", "unshifted_sink",
                          "use_prefill_window_in_sink_attention", "mamba", "llama4", "moe"}) {
    const auto member = half.find(key);
    if (member && member->raw() != false) member->fail("such a block is not known here");
  }
  return !half.boolean_or("no_op", false);
}

// vLLM, nemotron_nas.py: 2/3 of ffn_mult x hidden, rounded up to a multiple of 256.
int64_t mlp_size(const JsonView& ffn, int64_t hidden) {
  if (const auto size = ffn.find("intermediate_size")) return size->integer(1, 1 << 30);
  const double exact = 2 * ffn.at("ffn_mult").number() * static_cast<double>(hidden) / 3;
  if (!(exact >= 1 && exact < 1 << 30)) ffn.at("ffn_mult").fail("makes no size of an MLP");
  return (static_cast<int64_t>(exact) + 255) / 256 * 256;
}

void read_block_configs(const JsonView& config, ModelSpec& spec) {
  const JsonView blocks = config.at("block_configs");
  if (std::ssize(blocks.raw()) != spec.num_blocks) {
    blocks.fail(fmt::format("{} entries for {} blocks", blocks.size(), spec.num_blocks));
  }
  std::set<int64_t> groups, mlps;
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    const JsonView one = blocks.at(static_cast<size_t>(block));
    const JsonView attention = one.at("attention"), ffn = one.at("ffn");
    if (is_there(attention)) {
      groups.insert(attention.at("n_heads_in_group").integer(1, spec.num_heads));
    } else {
      spec.without_attention.push_back(block);
    }
    if (is_there(ffn)) {
      mlps.insert(mlp_size(ffn, spec.hidden_size));
    } else {
      spec.without_mlp.push_back(block);
    }
  }
  spec.num_kv_heads = spec.num_heads / only_size(blocks, "attention", groups);
  spec.intermediate_size = only_size(blocks, "MLP", mlps);
}

// NVIDIA, and `sleb prune --units half`. LLaMA, of whose blocks some lack a half.
Family nemotron_nas() {
  return {.model_type = "nemotron-nas",
          .architecture = "DeciLMForCausalLM",
          .models = "models of `--units half`; Nemotron 51B and larger, if all blocks are of one size",
          .gguf_architecture = "",
          .own_code = true,
          .keys = llama_keys.with({{Setting::num_kv_heads, ""},
                                   {Setting::intermediate_size, ""},
                                   {Setting::attention_bias, "attention_bias"},
                                   {Setting::mlp_bias, "mlp_bias"},
                                   {Setting::block_configs, "block_configs"}}),
          .harmless_keys = {"attention_dropout", "intermediate_size", "num_key_value_heads", "pretraining_tp"},
          .names = llama_names,
          .assumed = {.intermediate_size = 1, .max_positions = 2048, .norm_eps = 1e-6},
          .derive = read_block_configs};
}

}  // namespace

std::vector<Family> own_code_families() {
  return {exaone(), internlm2(), minicpm(), nemotron_nas()};
}

}  // namespace sleb
