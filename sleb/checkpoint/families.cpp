#include "sleb/checkpoint/families.h"

#include <algorithm>
#include <cmath>

#include "sleb/base/error.h"

namespace sleb {
namespace {

constexpr TensorNames llama_names = {
    .embedding = "model.embed_tokens",
    .final_norm = "model.norm",
    .head = "lm_head",
    .block_prefix = "model.layers.",
    .parts = {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
              "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"},
};

constexpr TensorNames opt_names = {
    .embedding = "model.decoder.embed_tokens",
    .positions = "model.decoder.embed_positions",
    .project_in = "model.decoder.project_in",
    .final_norm = "model.decoder.final_layer_norm",
    .project_out = "model.decoder.project_out",
    .head = "lm_head",
    .block_prefix = "model.decoder.layers.",
    .parts = {"self_attn_layer_norm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
              "final_layer_norm", "", "fc1", "fc2"},
};

constexpr ConfigKeys llama_keys = {
    .intermediate_size = "intermediate_size",
    .activation = "hidden_act",
    .attention_bias = "attention_bias",
    .mlp_bias = "mlp_bias",
    .num_kv_heads = "num_key_value_heads",
    .head_dim = "head_dim",
    .norm_eps = "rms_norm_eps",
};

constexpr ConfigKeys opt_keys = {
    .intermediate_size = "ffn_dim",
    .activation = "activation_function",
    .attention_bias = "enable_bias",
    .mlp_bias = "enable_bias",
    .embedding_size = "word_embed_proj_dim",
    .norm_affine = "layer_norm_elementwise_affine",
    .norm_before = "do_layer_norm_before",
    .remove_final_norm = "_remove_final_layer_norm",
};

constexpr int64_t largest = std::numeric_limits<int32_t>::max();

std::string known_families() {
  std::string list;
  for (const Family& family : families()) list += (list.empty() ? "" : ", ") + std::string(family.model_type);
  return list;
}

Activation activation_of(const JsonView& name) {
  const std::string& text = name.string();
  if (text == "silu" || text == "swish") return Activation::silu;
  if (text == "gelu") return Activation::gelu;
  if (text == "gelu_new" || text == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (text == "relu") return Activation::relu;
  name.fail(fmt::format("unknown activation \"{}\"", text));
}

// transformers 5 keeps everything in rope_parameters; transformers 4 has rope_theta and, where scaled, rope_scaling
// (whose "rope_type" was once spelled "type").
RopeSpec rope_from_config(const JsonView& config, int64_t max_positions) {
  RopeSpec rope;
  rope.theta = config.number_or("rope_theta", rope.theta);
  const auto refuse_partial = [](const JsonView& from) {
    if (from.number_or("partial_rotary_factor", 1) == 1) return;
    from.at("partial_rotary_factor").fail("partial rotary embedding is not known here");
  };
  refuse_partial(config);
  auto scaling = config.find("rope_parameters");
  if (!scaling) scaling = config.find("rope_scaling");
  if (!scaling) return rope;
  rope.theta = scaling->number_or("rope_theta", rope.theta);
  refuse_partial(*scaling);
  const std::string type = scaling->string_or("rope_type", scaling->string_or("type", "default"));
  if (type == "default") return rope;
  rope.factor = scaling->at("factor").number();
  if (type == "linear") {
    rope.scaling = RopeSpec::Scaling::linear;
  } else if (type == "dynamic") {
    rope.scaling = RopeSpec::Scaling::dynamic;
  } else if (type == "llama3") {
    rope.scaling = RopeSpec::Scaling::llama3;
    rope.low_freq_factor = scaling->at("low_freq_factor").number();
    rope.high_freq_factor = scaling->at("high_freq_factor").number();
    rope.original_max_positions = scaling->integer_or("original_max_position_embeddings", max_positions);
  } else {
    scaling->fail(fmt::format("rope type \"{}\" is not known; known are default, linear, dynamic, llama3", type));
  }
  return rope;
}

// MistralConfig's sliding_window: absent means its default, null means none. Configurations with layer_types give each
// block its own kind.
std::vector<int64_t> windows_from_config(const JsonView& config, const Family& family, int64_t num_blocks) {
  int64_t window = family.sliding_window;
  if (config.raw().contains("sliding_window") && family.sliding_window > 0) {
    const auto given = config.find("sliding_window");
    window = given ? given->integer(1, int64_t{1} << 40) : 0;
  }
  std::vector<int64_t> windows(static_cast<size_t>(num_blocks), window);
  const auto types = config.find("layer_types");
  if (!types) return windows;
  if (types->size() != windows.size()) types->fail(fmt::format("{} entries for {} blocks", types->size(), num_blocks));
  for (size_t i = 0; i < windows.size(); ++i) {
    const std::string& type = types->at(i).string();
    if (type != "full_attention" && type != "sliding_attention") {
      types->at(i).fail(fmt::format("unknown attention kind \"{}\"", type));
    }
    if (type == "full_attention") windows[i] = 0;
  }
  return windows;
}

// The member of that name; none where the family has no such key.
std::optional<JsonView> find(const JsonView& config, std::string_view key) {
  return key.empty() ? std::nullopt : config.find(std::string(key));
}

void read_boolean(const JsonView& config, std::string_view key, bool& value) {
  if (const auto member = find(config, key)) value = member->boolean();
}

void read_sizes(const JsonView& config, const ConfigKeys& keys, ModelSpec& spec) {
  spec.num_blocks = config.at("num_hidden_layers").integer(1, 100000);
  spec.hidden_size = config.at("hidden_size").integer(1, largest);
  spec.intermediate_size = config.at(std::string(keys.intermediate_size)).integer(1, largest);
  spec.vocabulary_size = config.at("vocab_size").integer(1, largest);
  const auto positions = config.find("max_position_embeddings");
  if (positions) spec.max_positions = positions->integer(1, int64_t{1} << 40);
  const auto embedding = find(config, keys.embedding_size);
  spec.embedding_size = embedding ? embedding->integer(1, largest) : spec.hidden_size;

  spec.num_heads = config.at("num_attention_heads").integer(1, largest);
  const std::string kv_heads(keys.num_kv_heads);
  const bool kv_heads_absent = kv_heads.empty() || !config.raw().contains(kv_heads);  // null: as many as heads
  if (!kv_heads_absent) spec.num_kv_heads = config.integer_or(kv_heads, spec.num_heads);
  if (kv_heads_absent && spec.num_kv_heads == 0) spec.num_kv_heads = spec.num_heads;
  const auto head_dim = find(config, keys.head_dim);
  if (!head_dim && spec.hidden_size % spec.num_heads != 0) {
    config.at("hidden_size").fail(fmt::format("{} does not divide into {} heads", spec.hidden_size, spec.num_heads));
  }
  spec.head_dim = head_dim ? head_dim->integer() : spec.hidden_size / spec.num_heads;
}

void read_norms(const JsonView& config, const ConfigKeys& keys, ModelSpec& spec) {
  if (const auto epsilon = find(config, keys.norm_eps)) spec.norm_eps = epsilon->number();
  if (const auto affine = find(config, keys.norm_affine)) spec.norm_weight = spec.norm_bias = affine->boolean();
  bool before = true;
  read_boolean(config, keys.norm_before, before);
  spec.norm_placement = before ? NormPlacement::before : NormPlacement::after;
  bool removed = false;
  read_boolean(config, keys.remove_final_norm, removed);
  spec.final_norm = before && !removed;  // after post-norm blocks, the last one's norm is the final one
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {.model_type = "llama",
       .architecture = "LlamaForCausalLM",
       .gguf_architecture = "llama",
       .keys = llama_keys,
       .names = llama_names,
       .assumed = {.max_positions = 2048, .norm_eps = 1e-6}},
      {.model_type = "mistral",
       .architecture = "MistralForCausalLM",
       .gguf_architecture = "",
       .keys = llama_keys,
       .names = llama_names,
       .assumed = {.num_kv_heads = 8, .max_positions = 131072, .norm_eps = 1e-6},
       .sliding_window = 4096},
      // Its norms' epsilon is torch's own (transformers, modeling_opt.py).
      {.model_type = "opt",
       .architecture = "OPTForCausalLM",
       .gguf_architecture = "",
       .keys = opt_keys,
       .names = opt_names,
       .assumed = {.max_positions = 2048,
                   .norm = NormKind::layer,
                   .norm_eps = 1e-5,
                   .norm_bias = true,
                   .mlp = MlpKind::plain,
                   .activation = Activation::relu,
                   .qkv_bias = true,
                   .attention_output_bias = true,
                   .mlp_bias = true,
                   .tied_head = true,
                   .position = PositionKind::learned,
                   .position_offset = 2}},
  };
  return table;
}

ModelSpec spec_from_config(const JsonView& config) {
  const std::string& type = config.at("model_type").string();
  const auto family = std::ranges::find(families(), type, &Family::model_type);
  if (family == families().end()) {
    config.at("model_type").fail(fmt::format("unknown family \"{}\"; known are {}", type, known_families()));
  }
  const ConfigKeys& keys = family->keys;
  ModelSpec spec = family->assumed;
  spec.family = type;
  spec.architecture = family->architecture;
  spec.stored_dtype = config.string_or("dtype", config.string_or("torch_dtype", ""));
  spec.names = &family->names;
  read_sizes(config, keys, spec);
  read_norms(config, keys, spec);
  if (const auto activation = find(config, keys.activation)) spec.activation = activation_of(*activation);
  if (const auto bias = find(config, keys.attention_bias)) spec.qkv_bias = spec.attention_output_bias = bias->boolean();
  read_boolean(config, keys.mlp_bias, spec.mlp_bias);
  spec.tied_head = config.boolean_or("tie_word_embeddings", spec.tied_head);
  if (spec.position == PositionKind::rotary) spec.rope = rope_from_config(config, spec.max_positions);
  spec.sliding_windows = windows_from_config(config, *family, spec.num_blocks);
  check(spec, config.place());
  return spec;
}

std::string gguf_part_name(int64_t block, Part part) {
  // llama.cpp, src/llama-arch.cpp.
  static constexpr std::array<std::string_view, all_parts.size()> names = {
      "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"};
  return fmt::format("blk.{}.{}", block, names[static_cast<size_t>(part)]);
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const std::string architecture = file.string("general.architecture");
  const auto family = std::ranges::find(families(), architecture, &Family::gguf_architecture);
  if (family == families().end() || architecture.empty()) {
    bad_input("{}: unknown general.architecture \"{}\"; known is llama", file.label(), architecture);
  }
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", architecture, name); };
  const auto number = [&](std::string_view name, double otherwise) {
    return file.find_number(key(name)).value_or(otherwise);
  };
  ModelSpec spec = family->assumed;
  spec.family = family->model_type;
  spec.architecture = family->architecture;
  spec.names = &family->names;
  spec.num_blocks = file.integer(key("block_count"));
  spec.hidden_size = spec.embedding_size = file.integer(key("embedding_length"));
  spec.intermediate_size = file.integer(key("feed_forward_length"));
  spec.num_heads = file.integer(key("attention.head_count"));
  spec.num_kv_heads = file.find_integer(key("attention.head_count_kv")).value_or(spec.num_heads);
  if (spec.num_heads < 1) bad_input("{}: {} attention heads", file.label(), spec.num_heads);
  if (!file.has(key("attention.key_length")) && spec.hidden_size % spec.num_heads != 0) {
    bad_input("{}: hidden size {} does not divide into {} heads", file.label(), spec.hidden_size, spec.num_heads);
  }
  spec.head_dim = file.find_integer(key("attention.key_length")).value_or(spec.hidden_size / spec.num_heads);
  spec.max_positions = file.integer(key("context_length"));
  spec.norm_eps = number("attention.layer_norm_rms_epsilon", 1e-5);
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
  if (const int64_t turned = file.find_integer(key("rope.dimension_count")).value_or(spec.head_dim);
      turned != spec.head_dim) {
    bad_input("{}: rope turns {} of a head's {} dimensions, which is not known here", file.label(), turned,
              spec.head_dim);
  }
  spec.rope.theta = number("rope.freq_base", 10000);
  const std::string scaling = file.find_string(key("rope.scaling.type")).value_or("none");
  if (scaling == "linear") {
    spec.rope.scaling = RopeSpec::Scaling::linear;
    spec.rope.factor = number("rope.scaling.factor", 1);
  } else if (scaling != "none") {
    bad_input("{}: rope scaling \"{}\" is not known; known are none and linear", file.label(), scaling);
  }
  if (const auto divisors = file.tensors().find("rope_freqs.weight"); divisors != file.tensors().end()) {
    if (divisors->second.elements() != spec.head_dim / 2) {
      bad_input("{}: tensor 'rope_freqs.weight' has {} values for heads of {} dimensions", file.label(),
                divisors->second.elements(), spec.head_dim);
    }
    spec.rope.frequency_divisors.resize(static_cast<size_t>(spec.head_dim / 2));
    decode(divisors->second.type, divisors->second.data, spec.rope.frequency_divisors);
  }
  if (file.has(key("expert_count")) && file.integer(key("expert_count")) > 0) {
    bad_input("{}: mixture-of-experts models are not known here", file.label());
  }
  spec.sliding_windows.assign(static_cast<size_t>(std::clamp<int64_t>(spec.num_blocks, 0, 100000)), 0);
  check(spec, file.label());
  return spec;
}

}  // namespace sleb
