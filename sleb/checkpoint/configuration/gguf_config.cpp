#include "sleb/checkpoint/configuration/gguf_config.h"

#include <algorithm>
#include <cmath>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_architecture.h"

namespace sleb {
namespace {

// Numbers of metadata that say just what the setting says.
struct NumberKey {
  Setting setting;
  std::string_view key;
};
constexpr NumberKey number_keys[] = {{Setting::attention_cap, "attn_logit_softcapping"},
                                     {Setting::logit_cap, "final_logit_softcapping"},
                                     {Setting::qkv_clip, "attention.clamp_kqv"},
                                     {Setting::embedding_scale, "embedding_scale"},
                                     {Setting::residual_scale, "residual_scale"},
                                     {Setting::logit_scale, "logit_scale"},
                                     {Setting::logit_divisor, "logit_scale"},
                                     {Setting::attention_scale, "attention.scale"},
                                     {Setting::experts_scale, "expert_weights_scale"}};

class ConfigWriter {
 public:
  ConfigWriter(const ModelMetadata& metadata, const Family& family)
      : metadata_(metadata), family_(family), architecture_(find_gguf_architecture(metadata.architecture())) {}

  OrderedJson write() {
    config_ = {{"architectures", {family_.architecture}}, {"model_type", family_.model_type}};
    write_sizes();
    if (family_.assumed.is_mixture()) write_experts();
    write_switches();
    write_scales();
    write_windows();
    if (family_.assumed.position == PositionKind::rotary) write_rope();
    if (architecture_.complete != nullptr) architecture_.complete(metadata_, config_);
    return std::move(config_);
  }

 private:
  bool has(Setting setting) const { return !family_.keys[setting].empty(); }
  void set(Setting setting, OrderedJson value) {
    if (has(setting)) config_[std::string(family_.keys[setting])] = std::move(value);
  }
  bool has_part(std::string_view name, std::string_view ending) const {
    return metadata_.has_tensor(fmt::format("blk.0.{}.{}", name, ending));
  }

  void write_sizes() {
    num_blocks_ = metadata_.size("block_count", 100000) - appended_blocks();
    if (num_blocks_ < 1) metadata_.refuse("nextn_predict_layers", "as many as blocks");
    hidden_size_ = metadata_.size("embedding_length");
    const int64_t intermediate = metadata_.size_in_all_blocks("feed_forward_length", num_blocks_);
    set(Setting::hidden_size, hidden_size_);
    set(Setting::intermediate_size, intermediate);
    if (!has(Setting::intermediate_size) && intermediate != family_.intermediate_times_hidden * hidden_size_) {
      metadata_.refuse("feed_forward_length", fmt::format("{}, where config.json can only express {}", intermediate,
                                                          family_.intermediate_times_hidden * hidden_size_));
    }
    set(Setting::num_blocks, num_blocks_);
    write_heads();
    const auto& tensors = metadata_.file().tensors();
    const auto embedding = tensors.find("token_embd.weight");
    if (embedding == tensors.end() || embedding->second.shape.size() != 2) {
      bad_input("{}: no matrix token_embd.weight", metadata_.file().label());
    }
    config_["vocab_size"] = embedding->second.shape[0];
    set(Setting::max_positions, metadata_.size("context_length", int64_t{1} << 40));
  }

  // block_count has them too.
  int64_t appended_blocks() const {
    const int64_t count = architecture_.says_routing ? metadata_.find_integer("nextn_predict_layers").value_or(0) : 0;
    if (count < 0) metadata_.refuse("nextn_predict_layers", fmt::format("{} is negative", count));
    return count;
  }

  void write_heads() {
    num_heads_ = metadata_.size_in_all_blocks("attention.head_count", num_blocks_);
    if (family_.assumed.latent.size > 0) return write_latent_heads();
    const int64_t kv_heads = metadata_.has("attention.head_count_kv")
                                 ? metadata_.size_in_all_blocks("attention.head_count_kv", num_blocks_)
                                 : num_heads_;
    if (!metadata_.has("attention.key_length") && hidden_size_ % num_heads_ != 0) {
      bad_input("{}: hidden size {} does not divide into {} heads", metadata_.file().label(), hidden_size_, num_heads_);
    }
    const int64_t usual = hidden_size_ / num_heads_;
    head_dim_ = metadata_.has("attention.key_length") ? metadata_.size("attention.key_length") : usual;
    if (const auto values = metadata_.find_integer("attention.value_length"); values && *values != head_dim_) {
      metadata_.refuse("attention.value_length",
                       fmt::format("{} beside keys of {}: heads of two sizes are not known here", *values, head_dim_));
    }
    set(Setting::num_heads, num_heads_);
    set(Setting::num_kv_heads, kv_heads);
    if (!has(Setting::num_kv_heads) && architecture_.complete == nullptr && kv_heads != num_heads_) {
      metadata_.refuse("attention.head_count_kv", "fewer key heads than heads, which config.json cannot express");
    }
    rope_head_dim_ = head_dim_;
    set(Setting::head_dim, head_dim_);
    if (!has(Setting::head_dim) && head_dim_ != usual) {
      metadata_.refuse("attention.key_length",
                       fmt::format("{}, where config.json can only express {}", head_dim_, usual));
    }
  }

  // Newer files give sizes of one key that all heads share, and those of the heads besides.
  void write_latent_heads() {
    const std::string of_heads = metadata_.has("attention.key_length_mla") ? "_mla" : "";
    const int64_t kv_heads = metadata_.find_integer("attention.head_count_kv").value_or(num_heads_);
    if (kv_heads != (of_heads.empty() ? num_heads_ : 1)) {
      metadata_.refuse("attention.head_count_kv", fmt::format("{} heads of keys of latent attention", kv_heads));
    }
    const std::string values = "attention.value_length" + of_heads;
    head_dim_ = metadata_.size("attention.key_length" + of_heads);
    rope_head_dim_ = metadata_.size("rope.dimension_count");
    if (rope_head_dim_ > head_dim_) {
      metadata_.refuse("rope.dimension_count", fmt::format("{}, where keys have {}", rope_head_dim_, head_dim_));
    }
    const int64_t queries = metadata_.find_integer("attention.q_lora_rank").value_or(0);
    if (queries < 0) metadata_.refuse("attention.q_lora_rank", fmt::format("{} is negative", queries));
    set(Setting::num_heads, num_heads_);
    set(Setting::num_kv_heads, num_heads_);
    set(Setting::latent_size, metadata_.size("attention.kv_lora_rank"));
    set(Setting::query_latent_size, queries > 0 ? OrderedJson(queries) : OrderedJson(nullptr));
    set(Setting::plain_dims, head_dim_ - rope_head_dim_);
    set(Setting::turned_dims, rope_head_dim_);
    set(Setting::value_dim, metadata_.has(values) ? metadata_.size(values) : hidden_size_ / num_heads_);
    set(Setting::interleaved_rope, true);
  }

  // Sizes as the tensors have them, as llama.cpp takes those that old converters left out.
  void write_experts() {
    const int64_t count = metadata_.size("expert_count");
    set(Setting::num_experts, count);
    set(Setting::experts_per_token, metadata_.size("expert_used_count"));
    set(Setting::normalizes_experts, architecture_.normalizes_experts);
    if (architecture_.says_routing) write_routing();
    const std::string_view size = has(Setting::expert_size) ? "expert_feed_forward_length" : "feed_forward_length";
    if (first_mixture_ >= num_blocks_) return write_absent_experts(size);
    const std::vector<int64_t> down = shape("ffn_down_exps", 3);
    if (down[0] != count) {
      metadata_.refuse("expert_count", fmt::format("{}, where the experts' tensors hold {}", count, down[0]));
    }
    const int64_t width = down[2];
    if (const auto given = metadata_.find_integer(size); given && *given != width) {
      metadata_.refuse(size, fmt::format("{}, where the experts' tensors have {}", *given, width));
    }
    set(Setting::expert_size, width);
    if (has(Setting::shared_expert_size)) set(Setting::shared_expert_size, shape("ffn_down_shexp", 2)[1]);
    if (!has(Setting::num_shared_experts)) return;
    const int64_t shared = shape("ffn_down_shexp", 2)[1];
    if (shared % width != 0) {
      bad_input("{}: a shared expert of {}, which is no multiple of the others' {}", metadata_.file().label(), shared,
                width);
    }
    set(Setting::num_shared_experts, shared / width);
  }

  // Of a model all of whose blocks with experts are gone.
  void write_absent_experts(std::string_view size) {
    set(Setting::expert_size, metadata_.size(size));
    set(Setting::num_shared_experts, metadata_.size("expert_shared_count"));
  }

  void write_routing() {
    first_mixture_ = metadata_.find_integer("leading_dense_block_count").value_or(0);
    if (first_mixture_ < 0)
      metadata_.refuse("leading_dense_block_count", fmt::format("{} is negative", first_mixture_));
    set(Setting::leading_dense_blocks, first_mixture_);
    set(Setting::appended_blocks, appended_blocks());
    set(Setting::normalizes_experts, metadata_.find_boolean("expert_weights_norm").value_or(false));
    set(Setting::expert_groups, metadata_.find_integer("expert_group_count").value_or(1));
    set(Setting::open_groups, metadata_.find_integer("expert_group_used_count").value_or(1));
    const double scale = metadata_.find_number("expert_weights_scale").value_or(0);
    set(Setting::experts_scale, scale != 0 ? scale : 1);
    // Its own where it is 0 or absent (src/models/glm4-moe.cpp).
    const int64_t expected = family_.assumed.experts.scores == ExpertScores::sigmoid ? gating_sigmoid : gating_softmax;
    const int64_t given = metadata_.find_integer("expert_gating_func").value_or(0);
    if (given != 0 && given != expected) {
      metadata_.refuse("expert_gating_func",
                       fmt::format("{}, where {} models have {}", given, family_.model_type, expected));
    }
  }

  std::vector<int64_t> shape(std::string_view part, size_t dimensions) const {
    const std::string name = fmt::format("blk.{}.{}.weight", first_mixture_, part);
    const auto& tensors = metadata_.file().tensors();
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.shape.size() != dimensions) {
      bad_input("{}: no tensor {} of {} dimensions", metadata_.file().label(), name, dimensions);
    }
    return found->second.shape;
  }

  // What tensors and llama.cpp's own defaults tell.
  void write_switches() {
    const bool is_rms = family_.assumed.norm == NormKind::rms;
    const std::string_view epsilon = is_rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    if (has(Setting::norm_eps)) {
      const auto value = metadata_.find_number(epsilon);
      if (!value) metadata_.refuse(epsilon, "missing");
      set(Setting::norm_eps, *value);
    }
    set(Setting::activation, hidden_act(family_.assumed.activation));
    const bool qkv_bias = has_part("attn_q", "bias") || has_part("attn_qkv", "bias");
    set(Setting::attention_bias, qkv_bias);
    set(Setting::qkv_bias, qkv_bias);
    set(Setting::every_bias, qkv_bias);
    set(Setting::mlp_bias, has_part("ffn_up", "bias"));
    config_["tie_word_embeddings"] = !metadata_.has_tensor("output.weight");
    set(Setting::qk_norm, has_part("attn_q_norm", "weight"));
    if (has(Setting::parallel_residual)) {
      // Where a second norm means a residual that is not parallel, its presence says more than the flag, which the
      // converter writes as true where a StableLM's config.json is silent (conversion/stablelm.py).
      const bool one_norm = !has_part("ffn_norm", "weight");
      const auto flag = metadata_.find_boolean("use_parallel_residual");
      set(Setting::parallel_residual, family_.one_norm_in_parallel ? one_norm : flag.value_or(one_norm));
    }
  }

  void write_scales() {
    for (const auto& [setting, key] : number_keys) {
      const auto value = metadata_.find_number(key);
      if (!value || setting == Setting::experts_scale) continue;
      set(setting, *value != 0 ? OrderedJson(*value) : OrderedJson(nullptr));
    }
    // llama.cpp's default, which is not the configuration's.
    if (metadata_.find_number("attention.scale").value_or(0) == 0) {
      set(Setting::attention_scale, 1 / std::sqrt(static_cast<double>(head_dim_)));
    }
    const bool is_other = architecture_.blocks_of_other_scale == num_blocks_;
    set(Setting::attention_scale_power, is_other ? hidden_size_ / num_heads_ : head_dim_);
  }

  void write_windows() {
    if (!has(Setting::sliding_window)) return;
    const int64_t few = architecture_.blocks_with_window;
    const bool assumed = architecture_.assumes_window && (few == 0 || few == num_blocks_);
    const auto given = metadata_.find_integer("attention.sliding_window");
    const int64_t window = given ? *given : assumed ? family_.sliding_window : 0;
    if (window < 0) metadata_.refuse("attention.sliding_window", fmt::format("{} is negative", window));
    if (has(Setting::use_sliding_window)) {
      set(Setting::use_sliding_window, window > 0);
      if (window == 0) return;
    }
    set(Setting::sliding_window, window > 0 ? OrderedJson(window) : OrderedJson(nullptr));
    if (has(Setting::layer_types)) set(Setting::layer_types, layer_types(window > 0));
  }

  // Each block's own, or all but every so many-th a window.
  OrderedJson layer_types(bool has_windows) const {
    const std::string_view key = "attention.sliding_window_pattern";
    const auto flags = metadata_.find_flags(key);
    if (flags && static_cast<int64_t>(flags->size()) != num_blocks_) {
      metadata_.refuse(key, fmt::format("{} values for {} blocks", flags->size(), num_blocks_));
    }
    const int64_t pattern = flags || !metadata_.has(key) ? family_.pattern : metadata_.size(key);
    OrderedJson types = OrderedJson::array();
    for (int64_t block = 0; block < num_blocks_; ++block) {
      const bool slides = flags ? (*flags)[static_cast<size_t>(block)] : pattern == 0 || (block + 1) % pattern != 0;
      types.push_back(has_windows && slides ? "sliding_attention" : "full_attention");
    }
    return types;
  }

  // As llama.cpp reads it: linear where no type is given, the factor under its old name too, and a factor of 0 for
  // none. Tensors of divisors alone make longrope.
  OrderedJson rope_parameters(double theta) {
    OrderedJson parameters = {{"rope_type", "default"}, {"rope_theta", theta}};
    const std::string scaling = metadata_.find_string("rope.scaling.type").value_or("linear");
    if (metadata_.has_tensor("rope_factors_long.weight")) {
      write_longrope(parameters);
    } else if (scaling == "yarn") {
      write_yarn(parameters);
    } else if (scaling != "linear" && scaling != "none") {
      bad_input("{}: rope scaling \"{}\" is not known; known are none, linear, yarn and longrope",
                metadata_.file().label(), scaling);
    } else if (const double factor = rope_factor(); scaling == "linear" && factor != 0 && factor != 1) {
      parameters["rope_type"] = "linear";
      parameters["factor"] = factor;
    }
    return parameters;
  }

  double rope_factor() const {
    const auto newer = metadata_.find_number("rope.scaling.factor");
    return newer ? *newer : metadata_.find_number("rope.scale_linear").value_or(0);
  }

  // llama.cpp takes the whole context where the original one is not given.
  int64_t original_positions() const {
    const bool given = metadata_.find_integer("rope.scaling.original_context_length").has_value();
    return metadata_.size(given ? "rope.scaling.original_context_length" : "context_length", int64_t{1} << 40);
  }

  void write_yarn(OrderedJson& parameters) const {
    parameters["rope_type"] = "yarn";
    parameters["factor"] = rope_factor() == 0 ? 1 : rope_factor();
    parameters["original_max_position_embeddings"] = original_positions();
    for (const std::string name : {"beta_fast", "beta_slow"}) {
      if (const auto value = metadata_.find_number("rope.scaling.yarn_" + name)) parameters[name] = *value;
    }
  }

  void write_longrope(OrderedJson& parameters) {
    parameters["rope_type"] = "longrope";
    for (const std::string kind : {"short", "long"}) {
      parameters[kind + "_factor"] = divisors("rope_factors_" + kind + ".weight");
    }
    parameters["attention_factor"] = metadata_.find_number("rope.scaling.attn_factor").value_or(1);
    // Phi-3's class reads it from config.json itself.
    const char* key = "original_max_position_embeddings";
    (family_.rope.original_max_positions > 0 ? config_ : parameters)[key] = original_positions();
  }

  std::vector<float> divisors(const std::string& name) const {
    const auto& tensors = metadata_.file().tensors();
    const auto stored = tensors.find(name);
    if (stored == tensors.end()) bad_input("{}: tensor '{}' is missing", metadata_.file().label(), name);
    if (stored->second.elements() != turned_ / 2) {
      bad_input("{}: tensor '{}' has {} values for {} dimensions that turn", metadata_.file().label(), name,
                stored->second.elements(), turned_);
    }
    std::vector<float> values(static_cast<size_t>(turned_ / 2));
    decode(stored->second.type, stored->second.data, values);
    return values;
  }

  // The share that gives so many dimensions again when it is multiplied.
  double turned_share() const {
    const auto heads = static_cast<double>(rope_head_dim_);
    const double share = static_cast<double>(turned_) / heads;
    return static_cast<int64_t>(heads * share) == turned_ ? share : std::nextafter(share, 1.0);
  }

  void write_rope() {
    const RopeRules& rules = family_.rope;
    turned_ = metadata_.find_integer("rope.dimension_count").value_or(rope_head_dim_);
    if (turned_ < 2 || turned_ > rope_head_dim_ || (turned_ != rope_head_dim_ && !rules.partial)) {
      bad_input("{}: rope turns {} of a head's {} dimensions, which is not known here", metadata_.file().label(),
                turned_, rope_head_dim_);
    }
    const double theta = metadata_.find_number("rope.freq_base").value_or(10000);
    OrderedJson parameters = rope_parameters(theta);
    if (rules.partial) parameters["partial_rotary_factor"] = turned_share();
    if (rules.by_kind) {
      // OLMo 3's local blocks have the others' base (src/models/olmo2.cpp), Gemma 3's one of their own.
      const double otherwise = rules.local_theta_key.empty() ? theta : rules.local_theta;
      const double local = metadata_.find_number("rope.freq_base_swa").value_or(otherwise);
      config_["rope_parameters"] = {{"full_attention", parameters},
                                    {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", local}}}};
      return;
    }
    if (const auto local = metadata_.find_number("rope.freq_base_swa"); local && *local != theta) {
      metadata_.refuse("rope.freq_base_swa", "another base in windows, which config.json cannot express");
    }
    config_["rope_parameters"] = parameters;
    // transformers 4 reads these instead.
    if (!rules.theta_key.empty()) config_[std::string(rules.theta_key)] = theta;
    if (rules.partial) config_[std::string(rules.share_key)] = turned_share();
  }

  const ModelMetadata& metadata_;
  const Family& family_;
  const GgufArchitecture& architecture_;
  OrderedJson config_;
  int64_t num_blocks_ = 0;
  int64_t first_mixture_ = 0;  // the first block that has experts
  int64_t hidden_size_ = 0;
  int64_t num_heads_ = 0;
  int64_t head_dim_ = 0;
  int64_t rope_head_dim_ = 0;  // of latent attention the part of a head that turns
  int64_t turned_ = 0;
};

}  // namespace

OrderedJson model_config_from_gguf(const ModelMetadata& metadata, const Family& family) {
  return ConfigWriter(metadata, family).write();
}

std::string_view metadata_key(Setting setting, const Family& family) {
  const auto* const found = std::ranges::find(number_keys, setting, &NumberKey::setting);
  return found == std::end(number_keys) || family.keys[setting].empty() ? std::string_view() : found->key;
}

std::string_view hidden_act(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return "silu";
    case Activation::gelu:
      return "gelu";
    case Activation::gelu_tanh:
      return "gelu_pytorch_tanh";
    case Activation::quick_gelu:
      return "quick_gelu";
    case Activation::relu:
      return "relu";
    case Activation::relu_squared:
      return "relu2";
    case Activation::clamped_swish:
      return "silu";  // which its classes don't read
  }
  return "";
}

}  // namespace sleb
