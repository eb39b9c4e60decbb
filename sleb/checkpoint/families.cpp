#include "sleb/checkpoint/families.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/config_keys.h"
#include "sleb/checkpoint/configuration/rope_parameters.h"

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
       .harmless_keys = {"attention_dropout", "pretraining_tp"},
       .names = llama_names,
       .assumed = {.max_positions = 2048, .norm_eps = 1e-6}},
      {.model_type = "mistral",
       .architecture = "MistralForCausalLM",
       .gguf_architecture = "",
       .keys = llama_keys,
       .harmless_keys = {"attention_dropout"},
       .names = llama_names,
       .assumed = {.num_kv_heads = 8, .max_positions = 131072, .norm_eps = 1e-6},
       .sliding_window = 4096},
      // Its norms' epsilon is torch's own (transformers, modeling_opt.py).
      {.model_type = "opt",
       .architecture = "OPTForCausalLM",
       .gguf_architecture = "",
       .keys = opt_keys,
       .harmless_keys = {"activation_dropout", "attention_dropout", "dropout", "init_std", "layerdrop"},
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

const Family* find_family(std::string_view model_type) {
  const auto found = std::ranges::find(families(), model_type, &Family::model_type);
  return found == families().end() ? nullptr : &*found;
}

ModelSpec spec_from_config(const JsonView& config) {
  const std::string& type = config.at("model_type").string();
  const Family* family = find_family(type);
  if (family == nullptr) {
    config.at("model_type").fail(fmt::format("unknown family \"{}\"; known are {}", type, known_families()));
  }
  refuse_other_computation(config);
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
  if (spec.position == PositionKind::rotary) spec.rope = rope_from_config(config, spec);
  spec.sliding_windows = windows_from_config(config, *family, spec.num_blocks);
  check(spec, config.place());
  return spec;
}

}  // namespace sleb
