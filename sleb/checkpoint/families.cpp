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
  int64_t window = family.defaults.sliding_window;
  if (config.raw().contains("sliding_window") && family.defaults.sliding_window > 0) {
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

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      {"llama",
       "LlamaForCausalLM",
       "llama",
       {.num_kv_heads = 0, .sliding_window = 0, .max_positions = 2048},
       llama_names},
      {"mistral",
       "MistralForCausalLM",
       "",
       {.num_kv_heads = 8, .sliding_window = 4096, .max_positions = 131072},
       llama_names},
  };
  return table;
}

ModelSpec spec_from_config(const JsonView& config) {
  const std::string& type = config.at("model_type").string();
  const auto family = std::ranges::find(families(), type, &Family::model_type);
  if (family == families().end()) {
    config.at("model_type").fail(fmt::format("unknown family \"{}\"; known are {}", type, known_families()));
  }
  ModelSpec spec;
  spec.family = type;
  spec.architecture = family->architecture;
  spec.stored_dtype = config.string_or("dtype", config.string_or("torch_dtype", ""));
  spec.names = &family->names;
  spec.num_blocks = config.at("num_hidden_layers").integer(1, 100000);
  spec.hidden_size = config.at("hidden_size").integer(1, largest);
  spec.intermediate_size = config.at("intermediate_size").integer(1, largest);
  spec.num_heads = config.at("num_attention_heads").integer(1, largest);
  const bool kv_heads_absent = !config.raw().contains("num_key_value_heads");  // null: as many as heads
  spec.num_kv_heads = kv_heads_absent && family->defaults.num_kv_heads > 0
                          ? family->defaults.num_kv_heads
                          : config.integer_or("num_key_value_heads", spec.num_heads);
  if (!config.has("head_dim") && spec.hidden_size % spec.num_heads != 0) {
    config.at("hidden_size").fail(fmt::format("{} does not divide into {} heads", spec.hidden_size, spec.num_heads));
  }
  spec.head_dim = config.integer_or("head_dim", spec.hidden_size / spec.num_heads);
  spec.vocabulary_size = config.at("vocab_size").integer(1, largest);
  spec.max_positions = config.integer_or("max_position_embeddings", family->defaults.max_positions);
  spec.norm_eps = config.number_or("rms_norm_eps", 1e-6);
  if (const auto activation = config.find("hidden_act")) spec.activation = activation_of(*activation);
  spec.qkv_bias = spec.attention_output_bias = config.boolean_or("attention_bias", false);
  spec.mlp_bias = config.boolean_or("mlp_bias", false);
  spec.tied_head = config.boolean_or("tie_word_embeddings", false);
  spec.rope = rope_from_config(config, spec.max_positions);
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
  ModelSpec spec;
  spec.family = family->model_type;
  spec.architecture = family->architecture;
  spec.names = &family->names;
  spec.num_blocks = file.integer(key("block_count"));
  spec.hidden_size = file.integer(key("embedding_length"));
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
