#include "sleb/export/gguf/model_metadata.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sleb/checkpoint/configuration/gguf_architecture.h"
#include "sleb/checkpoint/configuration/gguf_config.h"

namespace sleb {
namespace {

class ModelKeys {
 public:
  ModelKeys(GgufEntries& entries, const ModelSpec& spec, const Family& family)
      : entries_(entries),
        spec_(spec),
        architecture_(find_gguf_architecture(family.gguf_architecture)),
        read_as_(architecture_.family.empty() ? family : *find_family(architecture_.family)),
        prefix_(std::string(family.gguf_architecture) + ".") {}

  void add() {
    add_sizes();
    add_scales();
    if (!read_as_.keys[Setting::parallel_residual].empty()) {
      set("use_parallel_residual", gguf_value::boolean(spec_.parallel_residual));
    }
    add_windows();
    if (spec_.position == PositionKind::rotary && !spec_.ropes.empty()) add_rope();
  }

 private:
  void set(std::string_view key, std::string value) {
    sleb::set(entries_, prefix_ + std::string(key), std::move(value));
  }
  void set_size(std::string_view key, int64_t size) { set(key, gguf_value::u32(static_cast<uint32_t>(size))); }
  void set_number(std::string_view key, double number) { set(key, gguf_value::f32(static_cast<float>(number))); }

  void add_sizes() {
    set_size("block_count", spec_.num_blocks);
    set_size("context_length", spec_.max_positions);
    set_size("embedding_length", spec_.hidden_size);
    set_size("feed_forward_length", spec_.intermediate_size);
    if (spec_.is_mixture()) {
      set_size("expert_count", spec_.experts.count);
      set_size("expert_used_count", spec_.experts.chosen);
      const bool says_size = !read_as_.keys[Setting::expert_size].empty() || architecture_.repeats_expert_size;
      if (says_size) set_size("expert_feed_forward_length", spec_.experts.size);
    }
    if (spec_.experts.shared_size > 0 && !architecture_.says_routing) {
      set_size("expert_shared_feed_forward_length", spec_.experts.shared_size);
    }
    if (architecture_.says_routing) add_routing();
    set_size("attention.head_count", spec_.num_heads);
    if (spec_.is_latent()) {
      add_latent_heads();
    } else {
      set_size("attention.head_count_kv", spec_.num_kv_heads);
      set_size("attention.key_length", spec_.head_dim);
      set_size("attention.value_length", spec_.head_dim);
    }
    set_size("vocab_size", spec_.vocabulary_size);
    const bool is_rms = spec_.norm == NormKind::rms;
    set_number(is_rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", spec_.norm_eps);
  }

  void add_latent_heads() {
    const LatentSpec& latent = spec_.latent;
    const bool as_one_key = architecture_.latent_as_one_key;
    set_size("attention.head_count_kv", as_one_key ? 1 : spec_.num_heads);
    set_size("attention.key_length", as_one_key ? latent.size + latent.turned_dims : spec_.head_dim);
    set_size("attention.value_length", as_one_key ? latent.size : latent.value_dim);
    if (as_one_key) {
      set_size("attention.key_length_mla", spec_.head_dim);
      set_size("attention.value_length_mla", latent.value_dim);
    }
    set_size("attention.q_lora_rank", latent.query_size);  // llama.cpp asks for it, be it 0
    set_size("attention.kv_lora_rank", latent.size);
  }

  void add_routing() {
    if (!spec_.is_mixture()) return add_no_routing();
    const ExpertSpec& experts = spec_.experts;
    set_size("expert_shared_count", experts.shared_size / experts.size);
    set_size("leading_dense_block_count", std::ssize(spec_.dense_blocks));
    set_size("expert_gating_func", experts.scores == ExpertScores::sigmoid ? gating_sigmoid : gating_softmax);
    set("expert_weights_norm", gguf_value::boolean(experts.normalized));
    if (!read_as_.keys[Setting::appended_blocks].empty()) set_size("nextn_predict_layers", 0);
    set_size("expert_group_count", experts.groups);
    set_size("expert_group_used_count", experts.open_groups);
  }

  // Of a model without experts that an architecture with them runs.
  void add_no_routing() {
    set_size("expert_feed_forward_length", spec_.intermediate_size);
    set_size("expert_shared_count", 0);
    set_size("leading_dense_block_count", spec_.num_blocks);
  }

  // Those that the architecture has a key for; 0 is off.
  void add_scales() {
    const std::pair<Setting, double> values[] = {
        {Setting::attention_cap, spec_.attention_cap},
        {Setting::logit_cap, spec_.logit_cap},
        {Setting::qkv_clip, spec_.qkv_clip},
        {Setting::embedding_scale, spec_.embedding_scale},
        {Setting::residual_scale, spec_.residual_scale},
        {Setting::logit_scale, spec_.logit_scale},
        {Setting::logit_divisor, spec_.logit_scale != 0 ? 1 / spec_.logit_scale : 0},
        {Setting::attention_scale, spec_.attention_scale},
        {Setting::experts_scale, spec_.experts.scale}};
    for (const auto& [setting, value] : values) {
      const std::string_view key = metadata_key(setting, read_as_);
      if (!key.empty() && value != 0) set_number(key, value);
    }
  }

  void add_windows() {
    const auto& windows = spec_.sliding_windows;
    if (windows.empty() || read_as_.keys[Setting::sliding_window].empty()) return;
    const int64_t largest = std::ranges::max(windows);
    const bool is_needed = architecture_.needs_window;
    if (largest > 0 || architecture_.assumes_window || is_needed) {
      set_size("attention.sliding_window", largest == 0 && is_needed ? read_as_.sliding_window : largest);
    }
    if ((largest == 0 && !is_needed) || read_as_.keys[Setting::layer_types].empty()) return;
    std::vector<bool> slides;
    for (const int64_t window : windows) slides.push_back(window > 0);
    set("attention.sliding_window_pattern", gguf_value::booleans(slides));
  }

  void add_rope() {
    const RopeSpec& rope = spec_.ropes[0];
    set_size("rope.dimension_count", rope.dims);
    set_number("rope.freq_base", rope.theta);
    if (spec_.ropes.size() > 1) set_number("rope.freq_base_swa", spec_.ropes[1].theta);
    switch (rope.scaling) {
      case RopeSpec::Scaling::linear:
        set("rope.scaling.type", gguf_value::string("linear"));
        set_number("rope.scaling.factor", rope.factor);
        break;
      case RopeSpec::Scaling::yarn:
        set("rope.scaling.type", gguf_value::string("yarn"));
        set_number("rope.scaling.factor", rope.factor);
        set_size("rope.scaling.original_context_length", rope.original_max_positions);
        set_number("rope.scaling.yarn_beta_fast", rope.beta_fast);
        set_number("rope.scaling.yarn_beta_slow", rope.beta_slow);
        if (architecture_.latent_as_one_key && spec_.attention_scale != 0 && rope.factor > 1) add_scale_of_scores(rope);
        break;
      case RopeSpec::Scaling::longrope:
        set("rope.scaling.type", gguf_value::string("longrope"));
        set_size("rope.scaling.original_context_length", rope.original_max_positions);
        set_number("rope.scaling.attn_factor", rope.attention_factor);
        break;
      case RopeSpec::Scaling::llama3:  // rope_freqs.weight says it
      case RopeSpec::Scaling::none:
      case RopeSpec::Scaling::dynamic:
        break;
    }
  }

  // Scores are scaled by (1 + multiplier * log(factor))^2.
  void add_scale_of_scores(const RopeSpec& rope) {
    const double squared = spec_.attention_scale * std::sqrt(static_cast<double>(spec_.head_dim));
    set_number("rope.scaling.yarn_log_multiplier", (std::sqrt(squared) - 1) / std::log(rope.factor));
  }

  GgufEntries& entries_;
  const ModelSpec& spec_;
  const GgufArchitecture& architecture_;
  const Family& read_as_;
  std::string prefix_;
};

}  // namespace

void add_model(GgufEntries& entries, const ModelSpec& spec, const Family& family) {
  ModelKeys(entries, spec, family).add();
}

void add_vocabulary(GgufEntries& entries, const GgufVocabulary& vocabulary) {
  const auto add = [&](std::string_view key, std::string value) {
    set(entries, "tokenizer.ggml." + std::string(key), std::move(value));
  };
  const auto add_id = [&](std::string_view key, const std::optional<int64_t>& id) {
    if (id) add(key, gguf_value::u32(static_cast<uint32_t>(*id)));
  };
  add("model", gguf_value::string(vocabulary.model));
  add("pre", gguf_value::string(vocabulary.pre));
  add("tokens", gguf_value::strings(vocabulary.tokens));
  if (!vocabulary.scores.empty()) add("scores", gguf_value::f32s(vocabulary.scores));
  add("token_type", gguf_value::i32s(vocabulary.token_types));
  if (vocabulary.model == "gpt2") add("merges", gguf_value::strings(vocabulary.merges));
  add_id("bos_token_id", vocabulary.bos);
  add_id("eos_token_id", vocabulary.eos);
  add_id("unknown_token_id", vocabulary.unknown);
  add_id("padding_token_id", vocabulary.padding);
  if (vocabulary.add_bos) add("add_bos_token", gguf_value::boolean(*vocabulary.add_bos));
  if (vocabulary.add_eos) add("add_eos_token", gguf_value::boolean(*vocabulary.add_eos));
  if (vocabulary.add_space_prefix) add("add_space_prefix", gguf_value::boolean(*vocabulary.add_space_prefix));
  if (vocabulary.chat_template) set(entries, "tokenizer.chat_template", gguf_value::string(*vocabulary.chat_template));
}

}  // namespace sleb
