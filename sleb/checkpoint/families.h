// The table of model families: a new family is a new row.
#pragma once

#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// The keys under which a family's config.json keeps what families name differently; empty: the family has no such key,
// and `assumed` holds.
struct ConfigKeys {
  std::string_view intermediate_size;
  std::string_view activation;
  std::string_view attention_bias;
  std::string_view mlp_bias;
  std::string_view num_kv_heads = {};
  std::string_view head_dim = {};
  std::string_view embedding_size = {};
  std::string_view norm_eps = {};
  std::string_view norm_affine = {};        // whether the norms have weights and biases
  std::string_view norm_before = {};        // NormPlacement::before
  std::string_view remove_final_norm = {};  // true: there is none
};

struct Family {
  std::string_view model_type;         // config.json's model_type
  std::string_view architecture;       // transformers' class
  std::string_view gguf_architecture;  // general.architecture; empty if GGUF files call it by another family's name
  ConfigKeys keys;
  // Members of its own that its configuration class has and that change nothing outside training.
  std::vector<std::string_view> harmless_keys = {};
  TensorNames names;
  // What its configuration class assumes where config.json says nothing. num_kv_heads 0: as many as heads.
  ModelSpec assumed;
  int64_t sliding_window = 0;  // likewise; 0: none
};

const std::vector<Family>& families();

// Nothing if no family has that model_type.
const Family* find_family(std::string_view model_type);

// Throws Error(bad_input), naming file and field. The family comes from model_type.
ModelSpec spec_from_config(const JsonView& config);

}  // namespace sleb
