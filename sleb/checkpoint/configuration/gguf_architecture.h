// What llama.cpp's architectures do otherwise than the Hugging Face files of the same families
// (llama.cpp: conversion/, src/llama-arch.cpp, src/models/).
#pragma once

#include <string_view>

#include "sleb/base/json.h"
#include "sleb/checkpoint/configuration/gguf_metadata.h"
#include "sleb/checkpoint/families.h"

namespace sleb {

struct GgufArchitecture {
  std::string_view name;  // general.architecture
  // The family that its models are read as, and written as; empty: the one whose row names the architecture. Where
  // transformers has no class for a family but one that computes the same, the folder that comes from a GGUF is of that
  // one: it needs no code.
  std::string_view family = {};
  // Rows of queries and keys: the two dimensions that rope turns together stand side by side, not half a head apart.
  bool pairs_side_by_side = false;
  // The size whose scores are scaled by sqrt(heads / hidden) in place of 1 / sqrt(head_dim), told by its blocks.
  int64_t blocks_of_other_scale = 0;
  // Where metadata give no window: what the family assumes, in models of so many blocks (0: of all); else there is
  // none.
  bool assumes_window = false;
  int64_t blocks_with_window = 0;
  // Metadata have to give a window, even if they say of no block that it has one.
  bool needs_window = false;
  // Of two norms before the halves, the MLP's is called attn_norm and the attention's attn_norm_2.
  bool mlp_norm_first = false;
  // The MLP's norm has this name in the place of ffn_norm.
  std::string_view mlp_norm = {};
  // The chosen experts' weights are divided by their sum, of which metadata say nothing.
  bool normalizes_experts = false;
  // expert_feed_forward_length is there beside feed_forward_length, which says the same.
  bool repeats_expert_size = false;
  // Metadata say how experts are chosen (expert_gating_func, expert_weights_norm), which blocks have them
  // (leading_dense_block_count), and how many blocks stand behind the model's (nextn_predict_layers).
  bool says_routing = false;
  // Of latent attention metadata say the sizes as those of one key and value that all heads share, besides those of the
  // heads (_mla), and keys' and values' parts of kv_b_proj are apart (split_key_values.h). Scores are scaled by yarn's
  // factor (yarn_log_multiplier).
  bool latent_as_one_key = false;
  // What config.json says of it that the family's settings have no word for.
  void (*complete)(const ModelMetadata& metadata, OrderedJson& config) = nullptr;
};

// The plain one for all without a peculiarity.
const GgufArchitecture& find_gguf_architecture(std::string_view name);

// The family of general.architecture. Throws Error(bad_input) if none has it.
const Family& family_of(const ModelMetadata& metadata);

}  // namespace sleb
