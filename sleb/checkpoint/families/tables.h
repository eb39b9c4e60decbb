// The table's pages.
#pragma once

#include <vector>

#include "sleb/checkpoint/families.h"

namespace sleb {

// Llama's parts (transformers' names) and keys, from which most of today's families differ little.
inline constexpr PartNames llama_parts({{Part::attention_norm, "input_layernorm"},
                                        {Part::query, "self_attn.q_proj"},
                                        {Part::key, "self_attn.k_proj"},
                                        {Part::value, "self_attn.v_proj"},
                                        {Part::query_norm, "self_attn.q_norm"},
                                        {Part::key_norm, "self_attn.k_norm"},
                                        {Part::attention_output, "self_attn.o_proj"},
                                        {Part::mlp_norm, "post_attention_layernorm"},
                                        {Part::gate, "mlp.gate_proj"},
                                        {Part::up, "mlp.up_proj"},
                                        {Part::down, "mlp.down_proj"}});

inline constexpr TensorNames llama_names = {.embedding = "model.embed_tokens",
                                            .final_norm = "model.norm",
                                            .block_prefix = "model.layers.",
                                            .parts = llama_parts};

constexpr TensorNames llama_names_with(std::initializer_list<PartNames::Entry> parts) {
  TensorNames names = llama_names;
  names.parts = llama_parts.with(parts);
  return names;
}

inline constexpr ConfigKeys llama_keys = usual_sizes.with({{Setting::intermediate_size, "intermediate_size"},
                                                           {Setting::num_kv_heads, "num_key_value_heads"},
                                                           {Setting::head_dim, "head_dim"},
                                                           {Setting::activation, "hidden_act"},
                                                           {Setting::norm_eps, "rms_norm_eps"}});

constexpr ConfigKeys llama_keys_with(std::initializer_list<ConfigKeys::Entry> keys) {
  return llama_keys.with(keys);
}

std::vector<Family> llama_like_families();  // gated MLP, most with RMS norm
std::vector<Family> mixture_families();     // of experts
std::vector<Family> gemma_families();
std::vector<Family> own_code_families();  // those that transformers has no class for
std::vector<Family> gpt_like_families();  // layer norm, most with a plain MLP

}  // namespace sleb
