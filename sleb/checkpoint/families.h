// The table of model families: a new family is a new row.
#pragma once

#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/configuration/rope_parameters.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// What config.json says of a model under keys that families name differently.
enum class Setting {
  num_blocks,
  hidden_size,
  intermediate_size,
  num_heads,
  num_kv_heads,  // null: as many as heads
  head_dim,
  latent_size,        // LatentSpec
  query_latent_size,  // null: queries come from the hidden state
  plain_dims,
  turned_dims,
  value_dim,
  interleaved_rope,
  embedding_size,
  max_positions,
  activation,
  attention_bias,  // of queries, keys, values and output
  qkv_bias,        // of queries, keys and values
  mlp_bias,
  every_bias,  // all of the former
  norm_eps,
  norm_affine,        // whether the norms have weights and biases
  norm_before,        // NormPlacement::before, else after
  norm_first,         // NormPlacement::first, else before
  remove_final_norm,  // true: there is none
  qk_norm,            // whether there is Family::qk_norm
  parallel_residual,
  attention_scale,
  attention_scale_power,  // the scale is its power of -1/2
  scales_attention,       // false: the scale is 1
  attention_cap,
  logit_cap,
  qkv_clip,
  embedding_scale,
  residual_scale,
  residual_depth_scale,  // the scale of residuals is it / sqrt(blocks)
  logit_scale,
  logit_divisor,
  logit_base_size,     // the scale of logits is it / hidden_size
  sliding_window,      // null: none
  use_sliding_window,  // false: none whatever sliding_window says
  layer_types,         // [blocks]: "sliding_attention" or "full_attention"
  block_configs,       // [blocks]: which halves each has, and of which sizes
  num_experts,         // 0 or absent: Family::assumed's
  experts_per_token,
  expert_size,  // absent: intermediate_size
  shared_expert_size,
  num_shared_experts,  // the size is so many times an expert's
  normalizes_experts,  // whether the chosen experts' weights are divided by their sum
  experts_scale,       // and multiplied by it
  expert_groups,
  open_groups,           // from which a token chooses
  dense_blocks,          // blocks with an MLP in the place of experts
  mixture_pattern,       // every so many-th block has experts
  leading_dense_blocks,  // so many first blocks have an MLP
  mlp_kinds,             // [blocks]: "dense" or "sparse", which has experts
  appended_blocks,       // behind the model's: they predict the token after the next, and are not run
  window_pattern,        // every so many-th block has no window
  first_window,          // the first block with a window
  rope_blocks,           // [blocks]: 0 where a block has no rope
  rope_pattern           // every so many-th block has no rope
};
inline constexpr size_t num_settings = static_cast<size_t>(Setting::rope_pattern) + 1;
using ConfigKeys = NameTable<Setting, num_settings>;

// What transformers calls sizes in every family, some by another name too.
inline constexpr ConfigKeys usual_sizes({{Setting::num_blocks, "num_hidden_layers"},
                                         {Setting::hidden_size, "hidden_size"},
                                         {Setting::num_heads, "num_attention_heads"},
                                         {Setting::max_positions, "max_position_embeddings"}});

// Which blocks have the sliding window where layer_types does not say.
enum class WindowRule {
  all,                 // where there is one
  from_block,          // those from Setting::first_window on
  every_other_before,  // of those before Setting::first_window the first, the third, ...
  pattern,             // all but every n-th: Setting::window_pattern
  no_rope              // those without rope
};

// Which blocks have rope.
enum class RopeRule {
  all,
  by_kind,     // all: those without window ropes[0], those with one ropes[1]
  windowed,    // those with a window
  if_windows,  // those with a window, or all where no block of the model has one
  listed       // Setting::rope_blocks, else all but every n-th: Setting::rope_pattern
};

// A member of config.json that must be false, 0, null or absent.
struct RefusedKey {
  std::string_view key;
  std::string_view reason;
};

struct Family {
  std::string_view model_type;         // config.json's model_type
  std::string_view architecture;       // transformers' class
  std::string_view models;             // what the models are called: "Qwen 2, 2.5"
  std::string_view gguf_architecture;  // general.architecture; empty where GGUF files are not known here
  // transformers has no such class: the models bring Python code, which computes what this row says. It is never run,
  // but goes with the model into an output.
  bool own_code = false;
  ConfigKeys keys;
  // Members of its own that its configuration class has and that change nothing outside training.
  std::vector<std::string_view> harmless_keys = {};
  std::vector<RefusedKey> refused_keys = {};
  TensorNames names;
  // What its configuration class assumes where config.json says nothing; a size of 0: config.json must give it.
  // num_kv_heads 0: as many as heads.
  ModelSpec assumed;
  int64_t intermediate_times_hidden = 0;  // the MLP's size where config.json gives none; 0: it must
  int64_t leading_dense_blocks = 0;       // where config.json says nothing
  QkNorm qk_norm = QkNorm::none;          // switched on by Setting::qk_norm
  bool one_norm_in_parallel = false;      // with a parallel residual the attention's norm serves both halves
  bool gelu_is_tanh = false;              // "gelu" is the approximation (Gemma's configurations)
  RopeRules rope = {};
  RopeRule rope_rule = RopeRule::all;
  WindowRule window_rule = WindowRule::all;
  int64_t sliding_window = 0;  // where config.json says nothing; 0: none
  int64_t pattern = 0;         // likewise, of WindowRule::pattern, RopeRule::listed and from_block
  // What several members say together that the other columns have no word for.
  void (*derive)(const JsonView& config, ModelSpec& spec) = nullptr;
};

const std::vector<Family>& families();

// Nothing if no family has that model_type.
const Family* find_family(std::string_view model_type);

// Throws Error(bad_input), naming file and field. The family comes from model_type.
ModelSpec spec_from_config(const JsonView& config);

}  // namespace sleb
