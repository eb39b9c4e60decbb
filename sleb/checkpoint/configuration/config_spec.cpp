#include <algorithm>
#include <cmath>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/config_keys.h"
#include "sleb/checkpoint/configuration/expert_settings.h"
#include "sleb/checkpoint/configuration/rope_parameters.h"
#include "sleb/checkpoint/configuration/settings.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/multimodal.h"
#include "sleb/checkpoint/refused_families.h"

namespace sleb {
namespace {

constexpr int64_t most_positions = int64_t{1} << 40;

std::string known_families() {
  std::string list;
  for (const Family& family : families()) list += (list.empty() ? "" : ", ") + std::string(family.model_type);
  return list;
}

Activation activation_of(const JsonView& name, const Family& family) {
  const std::string& text = name.string();
  if (text == "silu" || text == "swish") return Activation::silu;
  if (text == "gelu" && family.gelu_is_tanh) return Activation::gelu_tanh;
  if (text == "gelu" || text == "gelu_python") return Activation::gelu;
  if (text == "gelu_new" || text == "gelu_pytorch_tanh" || text == "gelu_python_tanh" || text == "gelu_fast" ||
      text == "gelu_accurate") {
    return Activation::gelu_tanh;
  }
  if (text == "quick_gelu") return Activation::quick_gelu;
  if (text == "relu") return Activation::relu;
  if (text == "relu2") return Activation::relu_squared;
  name.fail(fmt::format("unknown activation \"{}\"", text));
}

int64_t kv_heads(const Settings& settings, const ModelSpec& spec) {
  if (const auto member = settings.find(Setting::num_kv_heads)) return member->integer();
  return settings.gives(Setting::num_kv_heads) || spec.num_kv_heads == 0 ? spec.num_heads : spec.num_kv_heads;
}

int64_t head_dim(const JsonView& config, const Settings& settings, const ModelSpec& spec) {
  if (const auto member = settings.find(Setting::head_dim)) return member->integer();
  if (!settings.gives(Setting::head_dim) && spec.head_dim > 0) return spec.head_dim;
  if (spec.hidden_size % spec.num_heads != 0) {
    config.fail(fmt::format("hidden_size: {} does not divide into {} heads", spec.hidden_size, spec.num_heads));
  }
  return spec.hidden_size / spec.num_heads;
}

void read_sizes(const JsonView& config, const Settings& settings, const Family& family, ModelSpec& spec) {
  spec.num_blocks = settings.size(Setting::num_blocks, spec.num_blocks, 100000);
  spec.hidden_size = settings.size(Setting::hidden_size, spec.hidden_size);
  const int64_t intermediate = family.intermediate_times_hidden * spec.hidden_size;
  spec.intermediate_size =
      settings.size(Setting::intermediate_size, intermediate > 0 ? intermediate : spec.intermediate_size);
  const auto vocabulary = config.find("vocab_size");
  if (vocabulary || spec.vocabulary_size == 0)
    spec.vocabulary_size = config.at("vocab_size").integer(1, largest_setting);
  spec.max_positions = settings.size(Setting::max_positions, spec.max_positions, most_positions);
  spec.embedding_size = settings.size(Setting::embedding_size, spec.hidden_size);
  spec.num_heads = settings.size(Setting::num_heads, spec.num_heads);
  spec.num_kv_heads = kv_heads(settings, spec);
  spec.head_dim =
      spec.is_latent() ? spec.latent.plain_dims + spec.latent.turned_dims : head_dim(config, settings, spec);
}

void read_latent(const Settings& settings, ModelSpec& spec) {
  LatentSpec& latent = spec.latent;
  latent.size = settings.size(Setting::latent_size, latent.size);
  const bool is_null = settings.gives(Setting::query_latent_size) && !settings.find(Setting::query_latent_size);
  latent.query_size = is_null ? 0 : settings.size(Setting::query_latent_size, latent.query_size);
  if (const auto dims = settings.find(Setting::plain_dims)) latent.plain_dims = dims->integer(0, 1 << 16);
  latent.turned_dims = settings.size(Setting::turned_dims, latent.turned_dims, 1 << 16);
  latent.value_dim = settings.size(Setting::value_dim, latent.value_dim, 1 << 16);
  settings.read(Setting::interleaved_rope, spec.interleaved_rope);
  if (latent.query_size == 0) spec.names.parts = spec.names.parts.with({{Part::query, "self_attn.q_proj"}});
}

void read_norms(const Settings& settings, const Family& family, ModelSpec& spec) {
  settings.read(Setting::norm_eps, spec.norm_eps);
  if (const auto affine = settings.find(Setting::norm_affine)) spec.norm_weight = spec.norm_bias = affine->boolean();
  if (const auto before = settings.find(Setting::norm_before)) {
    spec.norm_placement = before->boolean() ? NormPlacement::before : NormPlacement::after;
  }
  if (const auto first = settings.find(Setting::norm_first)) {
    spec.norm_placement = first->boolean() ? NormPlacement::first : NormPlacement::before;
  }
  bool removed = false;
  settings.read(Setting::remove_final_norm, removed);
  // After post-norm blocks, the last one's norm is the final one.
  spec.final_norm = spec.norm_placement != NormPlacement::after && !removed;
  bool norms_heads = false;
  settings.read(Setting::qk_norm, norms_heads);
  if (norms_heads) spec.qk_norm = family.qk_norm;
}

void read_biases(const Settings& settings, ModelSpec& spec) {
  if (const auto bias = settings.find(Setting::every_bias)) {
    spec.qkv_bias = spec.attention_output_bias = spec.mlp_bias = bias->boolean();
  }
  if (const auto bias = settings.find(Setting::attention_bias)) {
    spec.qkv_bias = spec.attention_output_bias = bias->boolean();
  }
  settings.read(Setting::qkv_bias, spec.qkv_bias);
  settings.read(Setting::mlp_bias, spec.mlp_bias);
}

void read_scales(const Settings& settings, ModelSpec& spec) {
  settings.read(Setting::attention_scale, spec.attention_scale);
  if (const auto scalar = settings.find(Setting::attention_scale_power)) {
    spec.attention_scale = 1 / std::sqrt(scalar->number());
  }
  bool scales = true;
  settings.read(Setting::scales_attention, scales);
  if (!scales) spec.attention_scale = 1;
  settings.read_cap(Setting::attention_cap, spec.attention_cap);
  settings.read_cap(Setting::logit_cap, spec.logit_cap);
  settings.read(Setting::qkv_clip, spec.qkv_clip);
  settings.read(Setting::embedding_scale, spec.embedding_scale);
  settings.read(Setting::residual_scale, spec.residual_scale);
  if (const auto scale = settings.find(Setting::residual_depth_scale)) {
    spec.residual_scale = scale->number() / std::sqrt(static_cast<double>(spec.num_blocks));
  }
  settings.read(Setting::logit_scale, spec.logit_scale);
  if (const auto divisor = settings.find(Setting::logit_divisor)) spec.logit_scale = 1 / divisor->number();
  if (const auto size = settings.find(Setting::logit_base_size)) {
    spec.logit_scale = size->number() / static_cast<double>(spec.hidden_size);
  }
}

// Every so many-th block differs; 0: none does.
int64_t read_pattern(const Settings& settings, Setting setting, int64_t assumed) {
  const auto member = settings.find(setting);
  return member ? member->integer(1, 100000) : assumed;
}

bool is_nth(int64_t block, int64_t pattern) {
  return pattern > 0 && (block + 1) % pattern == 0;
}

// [num_blocks]: whether a block has rope by RopeRule::listed.
std::vector<bool> listed_ropes(const Settings& settings, const Family& family, int64_t num_blocks) {
  std::vector<bool> has_rope(static_cast<size_t>(num_blocks), true);
  if (const auto list = settings.find(Setting::rope_blocks)) {
    if (list->size() != has_rope.size()) list->fail(fmt::format("{} entries for {} blocks", list->size(), num_blocks));
    for (size_t i = 0; i < has_rope.size(); ++i) has_rope[i] = list->at(i).integer(0, 1) == 1;
    return has_rope;
  }
  const int64_t pattern = read_pattern(settings, Setting::rope_pattern, family.pattern);
  for (size_t i = 0; i < has_rope.size(); ++i) has_rope[i] = !is_nth(static_cast<int64_t>(i), pattern);
  return has_rope;
}

bool has_window(WindowRule rule, int64_t block, int64_t pattern, int64_t first_window) {
  switch (rule) {
    case WindowRule::from_block:
      return block >= first_window;
    case WindowRule::every_other_before:
      return block % 2 == 0 && block < first_window;
    case WindowRule::pattern:
      return !is_nth(block, pattern);
    case WindowRule::all:
    case WindowRule::no_rope:
      break;
  }
  return true;
}

// [num_blocks]: which blocks attend in a window, if there is one.
std::vector<bool> sliding_blocks(const Settings& settings, const Family& family, int64_t num_blocks) {
  std::vector<bool> slides(static_cast<size_t>(num_blocks));
  if (const auto types = settings.find(Setting::layer_types)) {
    if (types->size() != slides.size()) types->fail(fmt::format("{} entries for {} blocks", types->size(), num_blocks));
    for (size_t i = 0; i < slides.size(); ++i) {
      const std::string& type = types->at(i).string();
      if (type != "full_attention" && type != "sliding_attention") {
        types->at(i).fail(fmt::format("unknown attention kind \"{}\"", type));
      }
      slides[i] = type == "sliding_attention";
    }
    return slides;
  }
  if (family.window_rule == WindowRule::no_rope) {
    slides = listed_ropes(settings, family, num_blocks);
    slides.flip();
    return slides;
  }
  const int64_t pattern = read_pattern(settings, Setting::window_pattern, family.pattern);
  const auto first = settings.find(Setting::first_window);
  const int64_t first_window = first ? first->integer(0, 100000) : family.pattern;
  for (size_t i = 0; i < slides.size(); ++i) {
    const auto block = static_cast<int64_t>(i);
    slides[i] = has_window(family.window_rule, block, pattern, first_window);
  }
  return slides;
}

// Of the blocks that have one; 0: none. Absent means the class's default, null none.
int64_t read_window(const Settings& settings, const Family& family) {
  bool uses = true;
  if (!family.keys[Setting::use_sliding_window].empty()) {
    uses = false;  // where it is absent
    settings.read(Setting::use_sliding_window, uses);
  }
  if (!uses) return 0;
  const auto given = settings.find(Setting::sliding_window);
  if (given) return given->integer(1, most_positions);
  return settings.gives(Setting::sliding_window) ? 0 : family.sliding_window;
}

void read_blocks(const Settings& settings, const Family& family, ModelSpec& spec) {
  const std::vector<bool> slides = sliding_blocks(settings, family, spec.num_blocks);
  const int64_t window = family.keys[Setting::sliding_window].empty() ? 0 : read_window(settings, family);
  std::vector<bool> has_rope(slides.size(), true);
  if (family.rope_rule == RopeRule::listed) has_rope = listed_ropes(settings, family, spec.num_blocks);
  for (size_t i = 0; i < slides.size(); ++i) {
    const bool windowed = slides[i] && window > 0;
    spec.sliding_windows.push_back(windowed ? window : 0);
    if (family.rope_rule == RopeRule::windowed) has_rope[i] = windowed;
    if (family.rope_rule == RopeRule::if_windows) has_rope[i] = windowed || window == 0;
    const int64_t kind = family.rope_rule == RopeRule::by_kind && slides[i] ? 1 : 0;
    spec.block_ropes.push_back(has_rope[i] && !spec.ropes.empty() ? kind : -1);
  }
}

const Family& family_of(const JsonView& config, const std::string& type) {
  if (const Family* family = find_family(type)) return *family;
  if (const std::string_view reason = reason_of_refusal(type); !reason.empty()) {
    config.at("model_type").fail(fmt::format("\"{}\" {}", type, reason));
  }
  config.at("model_type").fail(fmt::format("unknown family \"{}\"; known are {}", type, known_families()));
}

ModelSpec spec_of_family(const JsonView& config, const Family& family) {
  refuse_other_computation(config, family);
  const Settings settings(config, family);
  ModelSpec spec = family.assumed;
  spec.family = family.model_type;
  spec.architecture = family.architecture;
  spec.stored_dtype = config.string_or("dtype", config.string_or("torch_dtype", ""));
  spec.names = family.names;
  if (spec.is_latent()) read_latent(settings, spec);
  read_sizes(config, settings, family, spec);
  read_norms(settings, family, spec);
  read_biases(settings, spec);
  read_scales(settings, spec);
  if (spec.is_mixture()) read_experts(config, settings, family, spec);
  if (const auto activation = settings.find(Setting::activation)) spec.activation = activation_of(*activation, family);
  settings.read(Setting::parallel_residual, spec.parallel_residual);
  spec.tied_head = config.boolean_or("tie_word_embeddings", spec.tied_head);
  if (family.derive != nullptr) family.derive(config, spec);
  if (spec.parallel_residual && family.one_norm_in_parallel) {
    spec.names.parts = spec.names.parts.with({{Part::mlp_norm, spec.names.parts[Part::attention_norm]}});
  }
  if (spec.position == PositionKind::rotary) {
    ModelSpec turned = spec;
    if (spec.is_latent()) turned.head_dim = spec.latent.turned_dims;
    spec.ropes = ropes_from_config(config, family.rope, turned);
  }
  read_blocks(settings, family, spec);
  check(spec, config.place());
  return spec;
}

}  // namespace

ModelSpec spec_from_config(const JsonView& config) {
  const std::string& type = config.at("model_type").string();
  const Multimodal* whole = find_multimodal(type);
  if (whole == nullptr) return spec_of_family(config, family_of(config, type));
  const JsonView text = config.at(text_config);
  const std::string text_type = text.string_or("model_type", std::string(whole->text_type));
  ModelSpec spec = spec_of_family(text, family_of(text, text_type));
  spec.architecture = whole->architecture;
  spec.is_multimodal = true;
  spec.stored_dtype = config.string_or("dtype", config.string_or("torch_dtype", spec.stored_dtype));
  // Gemma3Config and Mistral3Config: the whole's own member, whatever the language model's says.
  spec.tied_head = config.boolean_or("tie_word_embeddings", true);
  return spec;
}

}  // namespace sleb
