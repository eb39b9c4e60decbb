// The rotary embedding that a config.json describes, by transformers' own precedence (modeling_rope_utils.py).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// What a family's configuration class makes of rope.
struct RopeRules {
  double theta = 10000;  // where config.json says nothing
  std::string_view theta_key = "rope_theta";
  // Whether its default rope turns a share of each head; if not, whole heads, and its other kinds fail with a share.
  bool partial = false;
  double share = 1;  // where config.json says nothing
  std::string_view share_key = "partial_rotary_factor";
  std::string_view dims_key = {};  // the number of dimensions that turn, in place of a share
  int64_t dims = 0;                // where config.json says nothing
  // Parameters for each kind of block: ropes[0] of full_attention, ropes[1] of sliding_attention (Gemma 3, OLMo 3).
  bool by_kind = false;
  double local_theta = 0;  // of sliding_attention
  std::string_view local_theta_key = {};
  bool only_longrope = false;          // the kinds are default and longrope, also called su and yarn (Phi-3)
  int64_t original_max_positions = 0;  // where config.json says nothing; 0: max_position_embeddings
  bool query_growth = false;           // llama_4_scaling_beta is read (Ministral 3)
  // JSON of the parameters where config.json gives none; empty: default rope.
  std::string_view assumed = {};
};

// `spec` has its sizes already. One kind, or two (RopeRules::by_kind). Throws Error(bad_input) for what transformers
// can't compute with, and for kinds of rope that are not known here.
std::vector<RopeSpec> ropes_from_config(const JsonView& config, const RopeRules& rules, const ModelSpec& spec);

// What ropes_from_config() passed over, as transformers does: one line each, for the user. For a configuration that it
// took.
std::vector<std::string> rope_warnings(const JsonView& config, const RopeRules& rules);

// Keys of config.json itself that it reads.
bool is_read_by_rope(const JsonView& config, const RopeRules& rules, const std::string& key);

}  // namespace sleb
