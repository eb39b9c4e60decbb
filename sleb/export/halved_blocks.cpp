#include "sleb/export/halved_blocks.h"

#include <fmt/core.h>

#include <algorithm>

#include "sleb/base/file.h"
#include "sleb/checkpoint/families.h"
#include "sleb/export/decilm_code.h"

namespace sleb {
namespace {

// Sizes of MLPs come from a factor, rounded up to a multiple of this.
constexpr int64_t mlp_multiple = 256;

bool has_llama_names(const TensorNames& names) {
  const TensorNames& llama = find_family("llama")->names;
  return names.embedding == llama.embedding && names.final_norm == llama.final_norm && names.head == llama.head &&
         names.block_prefix == llama.block_prefix && names.parts.all() == llama.parts.all();
}

bool has_llama_arithmetic(const ModelSpec& spec) {
  return spec.norm == NormKind::rms && spec.norm_placement == NormPlacement::before && spec.norm_weight &&
         spec.norm_weight_offset == 0 && !spec.embedding_norm && spec.final_norm && spec.qk_norm == QkNorm::none &&
         !spec.parallel_residual && !spec.is_mixture() && spec.mlp == MlpKind::gated &&
         spec.activation == Activation::silu && !spec.head_bias && spec.attention_scale == 0 &&
         spec.attention_cap == 0 && !spec.attention_sinks && spec.qkv_clip == 0 && spec.embedding_scale == 1 &&
         spec.residual_scale == 1 && spec.logit_scale == 1 && spec.logit_cap == 0 && !spec.has_projections() &&
         spec.position == PositionKind::rotary;
}

bool has_known_rope(const ModelSpec& spec) {
  using enum RopeSpec::Scaling;
  if (spec.ropes.size() != 1 || std::ranges::count(spec.block_ropes, 0) != spec.num_blocks) return false;
  const RopeSpec& rope = spec.ropes[0];
  return (rope.scaling == none || rope.scaling == linear || rope.scaling == llama3) && rope.dims == spec.head_dim &&
         rope.frequency_divisors.empty() && rope.query_growth == 0;
}

OrderedJson scaling_json(const RopeSpec& rope) {
  if (rope.scaling == RopeSpec::Scaling::none) return nullptr;
  if (rope.scaling == RopeSpec::Scaling::linear) return {{"rope_type", "linear"}, {"factor", rope.factor}};
  return {{"rope_type", "llama3"},
          {"factor", rope.factor},
          {"low_freq_factor", rope.low_freq_factor},
          {"high_freq_factor", rope.high_freq_factor},
          {"original_max_position_embeddings", rope.original_max_positions}};
}

// Every member that a runtime looks up, null where it means nothing.
OrderedJson block_config(const ModelSpec& spec, bool has_attention, bool has_mlp) {
  const double multiple = 1.5 * static_cast<double>(spec.intermediate_size) / static_cast<double>(spec.hidden_size);
  OrderedJson attention = {{"n_heads_in_group", nullptr}, {"no_op", !has_attention}, {"replace_with_linear", false}};
  OrderedJson ffn = {{"ffn_mult", nullptr}, {"no_op", !has_mlp}, {"replace_with_linear", false}};
  if (has_attention) attention["n_heads_in_group"] = spec.num_heads / spec.num_kv_heads;
  if (has_mlp) ffn["ffn_mult"] = multiple;
  return {{"attention", attention}, {"ffn", ffn}};
}

OrderedJson block_configs(const ModelSpec& spec, const Plan& plan) {
  OrderedJson blocks = OrderedJson::array();
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    const bool has_attention = !plan.bypasses({block, Half::attention}), has_mlp = !plan.bypasses({block, Half::mlp});
    if (has_attention || has_mlp) blocks.push_back(block_config(spec, has_attention, has_mlp));
  }
  return blocks;
}

}  // namespace

std::string inexpressible_with_halves(const ModelSpec& spec) {
  const bool has_window = std::ranges::any_of(spec.sliding_windows, [](int64_t window) { return window > 0; });
  if (has_window) return "sliding windows";
  if (!has_llama_names(spec.names) || spec.qkv_layout != QkvLayout::one_after_another || spec.transposed_matrices ||
      spec.interleaved_rope || spec.is_multimodal) {
    return fmt::format("the tensors of a {} model", spec.family);
  }
  if (!has_llama_arithmetic(spec)) return fmt::format("the arithmetic of a {} model", spec.family);
  if (spec.qkv_bias != spec.attention_output_bias) return "biases of queries, keys and values alone";
  if (!has_known_rope(spec)) return "this kind of rope";
  if (spec.num_heads * spec.head_dim != spec.hidden_size) return "heads that are not as wide together as the model";
  if (spec.intermediate_size % mlp_multiple != 0) {
    return fmt::format("an MLP of {}, which is no multiple of {}", spec.intermediate_size, mlp_multiple);
  }
  return "";
}

OrderedJson config_with_halves(const OrderedJson& config, const ModelSpec& spec, const RemovalList& list) {
  OrderedJson halved = {{"architectures", OrderedJson::array({"DeciLMForCausalLM"})},
                        {"model_type", "nemotron-nas"},
                        {"auto_map",
                         {{"AutoConfig", "configuration_decilm.DeciLMConfig"},
                          {"AutoModelForCausalLM", "modeling_decilm.DeciLMForCausalLM"}}}};
  halved.update({{"vocab_size", spec.vocabulary_size},
                 {"hidden_size", spec.hidden_size},
                 {"intermediate_size", spec.intermediate_size},
                 {"num_hidden_layers", spec.num_blocks - std::ssize(blocks_gone(list))},
                 {"num_attention_heads", spec.num_heads},
                 {"num_key_value_heads", spec.num_kv_heads},
                 {"hidden_act", "silu"},
                 {"max_position_embeddings", spec.max_positions},
                 {"rms_norm_eps", spec.norm_eps},
                 {"rope_theta", spec.ropes.at(0).theta},
                 {"rope_scaling", scaling_json(spec.ropes[0])},
                 {"attention_bias", spec.qkv_bias},
                 {"mlp_bias", spec.mlp_bias},
                 {"tie_word_embeddings", spec.tied_head}});
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id", "initializer_range", "use_cache", "dtype",
                          "torch_dtype", "quantization_config"}) {
    if (config.contains(key)) halved[key] = config.at(key);
  }
  halved["block_configs"] = block_configs(spec, plan_without(list));
  return halved;
}

std::vector<std::string> notes_on_halves(const ModelSpec& spec, const RemovalList& list) {
  std::vector<std::string> notes = {
      "blocks without one half are written as model_type nemotron-nas, with code that transformers runs; give it "
      "trust_remote_code=True"};
  const OrderedJson blocks = block_configs(spec, plan_without(list));
  if (blocks[0]["attention"]["no_op"] == true) {
    notes.emplace_back("warning: the first block has no attention, which vLLM's nemotron_nas can't run");
  }
  return notes;
}

void write_code_for_halves(const std::filesystem::path& folder) {
  write_file_atomically(folder / "configuration_decilm.py", decilm_configuration);
  write_file_atomically(folder / "modeling_decilm.py", decilm_modeling);
}

}  // namespace sleb
