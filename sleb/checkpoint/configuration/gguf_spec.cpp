#include "sleb/checkpoint/configuration/gguf_spec.h"

#include <algorithm>
#include <cmath>

#include "sleb/base/error.h"
#include "sleb/checkpoint/families.h"

namespace sleb {
namespace {

// Read in this file, or without effect on a model of these families in llama.cpp (llama-model.cpp). Names without the
// architecture in front.
constexpr std::string_view known_keys[] = {"attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.key_length",
                                           "attention.layer_norm_epsilon",
                                           "attention.layer_norm_rms_epsilon",
                                           "attention.value_length",
                                           "block_count",
                                           "context_length",
                                           "embedding_length",
                                           "expert_used_count",
                                           "feed_forward_length",
                                           "pooling_type",
                                           "rope.dimension_count",
                                           "rope.freq_base",
                                           "rope.scale_linear",
                                           "rope.scaling.factor",
                                           "rope.scaling.finetuned",
                                           "rope.scaling.original_context_length",
                                           "rope.scaling.type",
                                           "rope.scaling.yarn_beta_fast",
                                           "rope.scaling.yarn_beta_slow",
                                           "tensor_data_layout",
                                           "vocab_size"};

// What other architectures compute differently, and the value that means that it is off. An architecture that reads one
// of these is another model.
struct Switch {
  std::string_view key;
  double off;
};
constexpr Switch number_switches[] = {{"attention.clamp_kqv", 0},
                                      {"attention.max_alibi_bias", 0},
                                      {"attention.scale", 0},
                                      {"attn_logit_softcapping", 0},
                                      {"embedding_scale", 1},
                                      {"expert_count", 0},
                                      {"final_logit_softcapping", 0},
                                      {"logit_scale", 1},
                                      {"residual_scale", 1},
                                      {"rope.scaling.alpha", 0},
                                      {"rope.scaling.attn_factor", 1},
                                      {"rope.scaling.yarn_attn_factor", 1},
                                      {"rope.scaling.yarn_ext_factor", 0},
                                      {"rope.scaling.yarn_log_multiplier", 0}};
struct BooleanSwitch {
  std::string_view key;
  bool off;
};
constexpr BooleanSwitch boolean_switches[] = {
    {"attention.causal", true}, {"swin_norm", false}, {"use_parallel_residual", false}};

bool is_known(std::string_view key) {
  return std::ranges::find(known_keys, key) != std::end(known_keys) ||
         std::ranges::find(number_switches, key, &Switch::key) != std::end(number_switches) ||
         std::ranges::find(boolean_switches, key, &BooleanSwitch::key) != std::end(boolean_switches);
}

// The metadata whose names begin with the architecture's.
class ModelMetadata {
 public:
  ModelMetadata(const GgufFile& file, std::string architecture) : file_(file), architecture_(std::move(architecture)) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_, name); }
  bool has(std::string_view name) const { return file_.has(key(name)); }
  int64_t integer(std::string_view name) const { return file_.integer(key(name)); }
  std::optional<int64_t> find_integer(std::string_view name) const { return file_.find_integer(key(name)); }
  std::optional<double> find_number(std::string_view name) const { return file_.find_number(key(name)); }
  std::optional<bool> find_boolean(std::string_view name) const { return file_.find_boolean(key(name)); }
  std::optional<std::string> find_string(std::string_view name) const { return file_.find_string(key(name)); }

  // A number that every block has, given once or once for each block.
  int64_t same_in_all_blocks(std::string_view name, int64_t num_blocks) const {
    if (!has(name) || !std::holds_alternative<std::vector<int64_t>>(file_.metadata().at(key(name)))) {
      return integer(name);
    }
    const std::vector<int64_t>& values = file_.integers(key(name));
    if (values.empty() || static_cast<int64_t>(values.size()) != num_blocks) {
      refuse(name, fmt::format("{} values for {} blocks", values.size(), num_blocks));
    }
    const auto other = std::ranges::find_if(values, [&](int64_t value) { return value != values[0]; });
    if (other != values.end()) {
      refuse(name, fmt::format("{} in block 0 and {} in block {}: models whose blocks have different shapes are not "
                               "known here",
                               values[0], *other, other - values.begin()));
    }
    return values[0];
  }

  [[noreturn]] void refuse(std::string_view name, std::string_view what) const {
    bad_input("{}: {}", metadata_place(file_.label(), key(name)), what);
  }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

void refuse_other_computation(const ModelMetadata& metadata) {
  for (const auto& [name, off] : number_switches) {
    const auto value = metadata.find_number(name);
    // Zero is off too for a factor: llama.cpp's own default of those that it reads.
    if (value && *value != off && *value != 0) {
      metadata.refuse(name, fmt::format("{}: a model that computes with this is not known here", *value));
    }
  }
  for (const auto& [name, off] : boolean_switches) {
    if (const auto value = metadata.find_boolean(name); value && *value != off) {
      metadata.refuse(name, fmt::format("{}: a model that computes with this is not known here", *value));
    }
  }
  if (metadata.has("rope.dimension_sections")) {
    metadata.refuse("rope.dimension_sections", "rope over several kinds of position is not known here");
  }
}

void read_heads(const GgufFile& file, const ModelMetadata& metadata, ModelSpec& spec) {
  spec.num_heads = metadata.same_in_all_blocks("attention.head_count", spec.num_blocks);
  spec.num_kv_heads = metadata.has("attention.head_count_kv")
                          ? metadata.same_in_all_blocks("attention.head_count_kv", spec.num_blocks)
                          : spec.num_heads;
  if (spec.num_heads < 1) bad_input("{}: {} attention heads", file.label(), spec.num_heads);
  if (!metadata.has("attention.key_length") && spec.hidden_size % spec.num_heads != 0) {
    bad_input("{}: hidden size {} does not divide into {} heads", file.label(), spec.hidden_size, spec.num_heads);
  }
  spec.head_dim = metadata.find_integer("attention.key_length").value_or(spec.hidden_size / spec.num_heads);
  if (const auto values = metadata.find_integer("attention.value_length"); values && *values != spec.head_dim) {
    metadata.refuse("attention.value_length",
                    fmt::format("{} beside keys of {}: heads of two sizes are not known here", *values, spec.head_dim));
  }
}

// By how much rope_freqs divides each frequency.
std::vector<float> frequency_divisors(const GgufFile& file, int64_t head_dim) {
  const auto stored = file.tensors().find("rope_freqs.weight");
  if (stored == file.tensors().end()) return {};
  if (stored->second.elements() != head_dim / 2) {
    bad_input("{}: tensor 'rope_freqs.weight' has {} values for heads of {} dimensions", file.label(),
              stored->second.elements(), head_dim);
  }
  std::vector<float> divisors(static_cast<size_t>(head_dim / 2));
  decode(stored->second.type, stored->second.data, divisors);
  return divisors;
}

// As llama.cpp reads it: linear where no type is given, the factor under its old name too, and a factor of 0 for none.
void read_rope(const GgufFile& file, const ModelMetadata& metadata, ModelSpec& spec) {
  const int64_t turned = metadata.find_integer("rope.dimension_count").value_or(spec.head_dim);
  if (turned != spec.head_dim) {
    bad_input("{}: rope turns {} of a head's {} dimensions, which is not known here", file.label(), turned,
              spec.head_dim);
  }
  RopeSpec rope{.theta = metadata.find_number("rope.freq_base").value_or(10000), .dims = spec.head_dim};
  const std::string scaling = metadata.find_string("rope.scaling.type").value_or("linear");
  if (scaling != "linear" && scaling != "none") {
    bad_input("{}: rope scaling \"{}\" is not known; known are none and linear", file.label(), scaling);
  }
  const auto newer = metadata.find_number("rope.scaling.factor");
  const double factor = newer ? *newer : metadata.find_number("rope.scale_linear").value_or(0);
  if (scaling == "linear" && factor != 0 && factor != 1) {
    rope.scaling = RopeSpec::Scaling::linear;
    rope.factor = factor;
  }
  rope.frequency_divisors = frequency_divisors(file, spec.head_dim);
  if (!rope.frequency_divisors.empty() && rope.scaling != RopeSpec::Scaling::none) {
    bad_input("{}: rope_freqs.weight beside a rope scaling factor is not known here", file.label());
  }
  spec.ropes = {std::move(rope)};
}

void read_tensors(const GgufFile& file, ModelSpec& spec) {
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.size() != 2) {
    bad_input("{}: no matrix token_embd.weight", file.label());
  }
  spec.vocabulary_size = embedding->second.shape[0];
  spec.tied_head = !file.tensors().contains("output.weight");
  const auto biased = [&](Part part) { return file.tensors().contains(gguf_part_name(0, part) + ".bias"); };
  spec.qkv_bias = biased(Part::query);
  spec.attention_output_bias = biased(Part::attention_output);
  spec.mlp_bias = biased(Part::up);
}

}  // namespace

std::string gguf_part_name(int64_t block, Part part) {
  // llama.cpp, src/llama-arch.cpp.
  static constexpr PartNames names({{Part::attention_norm, "attn_norm"},
                                    {Part::query, "attn_q"},
                                    {Part::key, "attn_k"},
                                    {Part::value, "attn_v"},
                                    {Part::query_norm, "attn_q_norm"},
                                    {Part::key_norm, "attn_k_norm"},
                                    {Part::attention_output, "attn_output"},
                                    {Part::attention_post_norm, "post_attention_norm"},
                                    {Part::mlp_norm, "ffn_norm"},
                                    {Part::gate, "ffn_gate"},
                                    {Part::up, "ffn_up"},
                                    {Part::down, "ffn_down"},
                                    {Part::mlp_post_norm, "post_ffw_norm"}});
  return fmt::format("blk.{}.{}", block, names[part]);
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const std::string architecture = file.string("general.architecture");
  const auto family = std::ranges::find(families(), architecture, &Family::gguf_architecture);
  if (family == families().end() || architecture.empty()) {
    bad_input("{}: unknown general.architecture \"{}\"; known is llama", file.label(), architecture);
  }
  const ModelMetadata metadata(file, architecture);
  refuse_other_computation(metadata);
  ModelSpec spec = family->assumed;
  spec.family = family->model_type;
  spec.architecture = family->architecture;
  spec.names = family->names;
  spec.num_blocks = metadata.integer("block_count");
  spec.hidden_size = spec.embedding_size = metadata.integer("embedding_length");
  spec.intermediate_size = metadata.same_in_all_blocks("feed_forward_length", spec.num_blocks);
  read_heads(file, metadata, spec);
  spec.max_positions = metadata.integer("context_length");
  const auto epsilon = metadata.find_number("attention.layer_norm_rms_epsilon");
  if (!epsilon) metadata.refuse("attention.layer_norm_rms_epsilon", "missing");
  spec.norm_eps = *epsilon;
  read_tensors(file, spec);
  read_rope(file, metadata, spec);
  const auto blocks = static_cast<size_t>(std::clamp<int64_t>(spec.num_blocks, 0, 100000));
  spec.sliding_windows.assign(blocks, 0);
  spec.block_ropes.assign(blocks, 0);
  check(spec, file.label());
  return spec;
}

std::optional<std::string> gguf_tokenizer_warning(const GgufFile& file) {
  const bool merges_pairs = file.find_string("tokenizer.ggml.model").value_or("") == "gpt2";
  if (!merges_pairs || file.has("tokenizer.ggml.pre")) return {};
  return fmt::format(
      "{}: no tokenizer.ggml.pre: texts are split by GPT-2's rules, which may not be the model's own; convert the "
      "model "
      "anew",
      file.label());
}

std::vector<std::string> gguf_warnings(const GgufFile& file) {
  std::vector<std::string> warnings;
  const std::string prefix = file.string("general.architecture") + ".";
  std::vector<std::string> unread;
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with(prefix) && !is_known(std::string_view(key).substr(prefix.size()))) unread.push_back(key);
  }
  if (!unread.empty()) {
    warnings.push_back(fmt::format("{}: metadata that is not read: {}", file.label(), quote_all(unread)));
  }
  if (auto warning = gguf_tokenizer_warning(file)) warnings.push_back(std::move(*warning));
  return warnings;
}

}  // namespace sleb
