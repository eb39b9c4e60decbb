#include "sleb/checkpoint/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_spec.h"
#include "sleb/text/gguf_end_of_text.h"

namespace sleb {
namespace {

constexpr std::string_view rope_frequencies = "rope_freqs.weight";

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
  }
  return "";
}

// By how much llama3 scaling divides each frequency (transformers, modeling_rope_utils.py).
std::vector<double> llama3_divisors(const RopeSpec& rope, int64_t head_dim) {
  std::vector<double> divisors;
  const auto context = static_cast<double>(rope.original_max_positions);
  for (int64_t i = 0; i < head_dim; i += 2) {
    const double wavelength =
        2 * std::numbers::pi * std::pow(rope.theta, static_cast<double>(i) / static_cast<double>(head_dim));
    const double ramp = (context / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
    const double kept = std::clamp(ramp, 0.0, 1.0);
    divisors.push_back(1 / ((1 - kept) / rope.factor + kept));
  }
  return divisors;
}

// A GGUF keeps only the resulting divisors. Llama 3.1 to 3.3 all used low and high factors 1 and 4 over 8192 positions,
// with the largest divisor as factor; anything else has no name in config.json.
OrderedJson rope_parameters_of_divisors(const GgufFile& file, const ModelSpec& spec) {
  const auto& divisors = spec.ropes[0].frequency_divisors;
  RopeSpec rope = spec.ropes[0];
  rope.factor = *std::ranges::max_element(divisors);
  rope.low_freq_factor = 1;
  rope.high_freq_factor = 4;
  rope.original_max_positions = 8192;
  const auto computed = llama3_divisors(rope, spec.head_dim);
  for (size_t i = 0; i < divisors.size(); ++i) {
    if (std::abs(computed[i] / divisors[i] - 1) > 1e-4) {
      bad_input("{}: tensor '{}' holds rope frequencies that config.json cannot express", file.label(),
                rope_frequencies);
    }
  }
  return {{"rope_type", "llama3"},
          {"rope_theta", rope.theta},
          {"factor", rope.factor},
          {"low_freq_factor", rope.low_freq_factor},
          {"high_freq_factor", rope.high_freq_factor},
          {"original_max_position_embeddings", rope.original_max_positions}};
}

OrderedJson rope_parameters(const GgufFile& file, const ModelSpec& spec) {
  const RopeSpec& rope = spec.ropes[0];
  if (!rope.frequency_divisors.empty()) return rope_parameters_of_divisors(file, spec);
  OrderedJson parameters = {{"rope_type", "default"}, {"rope_theta", rope.theta}};
  if (rope.scaling == RopeSpec::Scaling::linear) {
    parameters["rope_type"] = "linear";
    parameters["factor"] = rope.factor;
  }
  return parameters;
}

void add_token_ids(const GgufFile& file, OrderedJson& config) {
  for (const std::string name : {"bos", "eos"}) {
    const auto id = file.find_integer(fmt::format("tokenizer.ggml.{}_token_id", name));
    config[name + "_token_id"] = id ? OrderedJson(*id) : OrderedJson(nullptr);
  }
  const auto padding = file.find_integer("tokenizer.ggml.padding_token_id");
  config["pad_token_id"] = padding ? OrderedJson(*padding) : OrderedJson(nullptr);
}

}  // namespace

std::map<std::string, StoredTensor> tensors_under_hugging_face_names(const GgufFile& file, const ModelSpec& spec) {
  check_block_count(spec, file.tensors().size(), file.label());
  std::map<std::string, std::string> renamed = {
      {"token_embd.weight", fmt::format("{}.weight", spec.names.embedding)},
      {"output_norm.weight", fmt::format("{}.weight", spec.names.final_norm)},
      {"output.weight", fmt::format("{}.weight", spec.names.head)},
  };
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    for (const Part part : all_parts) {
      if (!spec.has_weight(part)) continue;
      for (const std::string_view ending : {".weight", ".bias"}) {
        renamed[fmt::format("{}{}", gguf_part_name(block, part), ending)] =
            fmt::format("{}{}", spec.part_name(block, part), ending);
      }
    }
  }
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, stored] : file.tensors()) {
    if (name == rope_frequencies) continue;  // read into RopeSpec
    const auto found = renamed.find(name);
    if (found == renamed.end()) {
      bad_input("{}: tensor '{}' is not part of a {} model of {} blocks; running without it would be wrong",
                file.label(), name, spec.family, spec.num_blocks);
    }
    StoredTensor copy = stored;
    copy.name = found->second;
    tensors.emplace(found->second, std::move(copy));
  }
  return tensors;
}

int64_t permuted_heads(const ModelSpec& spec, const std::string& name) {
  const auto holds = [&](Part part) {
    return name.find(fmt::format(".{}.", spec.names.parts[part])) != std::string::npos;
  };
  return holds(Part::query) ? spec.num_heads : holds(Part::key) ? spec.num_kv_heads : 0;
}

void undo_rope_permutation(std::span<float> tensor, int64_t heads, int64_t rows) {
  const size_t columns = tensor.size() / static_cast<size_t>(rows);
  const int64_t head_rows = rows / heads;
  const int64_t half = head_rows / 2;
  std::vector<float> head(static_cast<size_t>(head_rows) * columns);
  for (int64_t h = 0; h < heads; ++h) {
    const auto slice = tensor.subspan(static_cast<size_t>(h * head_rows) * columns, head.size());
    std::ranges::copy(slice, head.begin());
    for (int64_t row = 0; row < head_rows; ++row) {
      // Stored row 2j + s holds row s * half + j.
      const int64_t stored = row % half * 2 + row / half;
      std::copy_n(head.begin() + stored * static_cast<int64_t>(columns), columns,
                  slice.begin() + row * static_cast<int64_t>(columns));
    }
  }
}

OrderedJson config_from_gguf(const GgufFile& file, const ModelSpec& spec) {
  if (spec.qkv_bias != spec.attention_output_bias) {
    bad_input("{}: biases on some of the attention's projections only, which config.json cannot express", file.label());
  }
  OrderedJson config = {
      {"architectures", {spec.architecture}},
      {"model_type", spec.family},
      {"hidden_size", spec.hidden_size},
      {"intermediate_size", spec.intermediate_size},
      {"num_hidden_layers", spec.num_blocks},
      {"num_attention_heads", spec.num_heads},
      {"num_key_value_heads", spec.num_kv_heads},
      {"head_dim", spec.head_dim},
      {"vocab_size", spec.vocabulary_size},
      {"max_position_embeddings", spec.max_positions},
      {"rms_norm_eps", spec.norm_eps},
      {"hidden_act", hidden_act(spec.activation)},
      {"attention_bias", spec.qkv_bias},
      {"mlp_bias", spec.mlp_bias},
      {"tie_word_embeddings", spec.tied_head},
      {"rope_parameters", rope_parameters(file, spec)},
      // transformers 4 reads these two instead.
      {"rope_theta", spec.ropes[0].theta},
  };
  if (config["rope_parameters"]["rope_type"] != "default") config["rope_scaling"] = config["rope_parameters"];
  add_token_ids(file, config);
  return config;
}

std::vector<int64_t> end_of_text_ids(const GgufFile& file) {
  const std::string prefix = "tokenizer.ggml.";
  GgufVocabulary vocabulary;
  vocabulary.label = file.label();
  vocabulary.model_name = file.find_string("general.name").value_or("");
  if (file.has(prefix + "tokens")) vocabulary.tokens = file.strings(prefix + "tokens");
  vocabulary.eos = file.find_integer(prefix + "eos_token_id");
  vocabulary.eot = file.find_integer(prefix + "eot_token_id");
  vocabulary.eom = file.find_integer(prefix + "eom_token_id");
  return end_of_text_ids(vocabulary);
}

std::string generation_config_from_gguf(const GgufFile& file) {
  OrderedJson config = OrderedJson::object();
  add_token_ids(file, config);
  if (const auto ends = end_of_text_ids(file); ends.size() == 1) {
    config["eos_token_id"] = ends[0];
  } else if (!ends.empty()) {
    config["eos_token_id"] = ends;
  }
  return config.dump(2) + "\n";
}

namespace {

// llama.cpp takes whole numbers too.
std::vector<double> scores_of(const GgufFile& file, const std::string& key) {
  const GgufValue& value = file.metadata().at(key);
  if (const auto* numbers = std::get_if<std::vector<double>>(&value)) return *numbers;
  const auto& integers = file.integers(key);
  return {integers.begin(), integers.end()};
}

std::string bytes_of(const GgufFile& file, const std::string& key) {
  std::string bytes;
  for (const int64_t byte : file.integers(key)) bytes += static_cast<char>(byte);
  return bytes;
}

}  // namespace

GgufVocabulary vocabulary_of(const GgufFile& file) {
  const std::string prefix = "tokenizer.ggml.";
  if (!file.has(prefix + "model"))
    bad_input("{}: holds no tokenizer: ready ids (--tokens) can be evaluated, but no Hugging Face folder written",
              file.label());
  GgufVocabulary vocabulary;
  vocabulary.label = file.label();
  vocabulary.model_name = file.find_string("general.name").value_or("");
  vocabulary.model = file.string(prefix + "model");
  vocabulary.pre = file.find_string(prefix + "pre").value_or("");
  vocabulary.tokens = file.strings(prefix + "tokens");
  if (file.has(prefix + "token_type")) vocabulary.token_types = file.integers(prefix + "token_type");
  if (file.has(prefix + "scores")) vocabulary.scores = scores_of(file, prefix + "scores");
  if (file.has(prefix + "merges")) vocabulary.merges = file.strings(prefix + "merges");
  vocabulary.bos = file.find_integer(prefix + "bos_token_id");
  vocabulary.eos = file.find_integer(prefix + "eos_token_id");
  vocabulary.eot = file.find_integer(prefix + "eot_token_id");
  vocabulary.eom = file.find_integer(prefix + "eom_token_id");
  vocabulary.unknown = file.find_integer(prefix + "unknown_token_id");
  vocabulary.padding = file.find_integer(prefix + "padding_token_id");
  vocabulary.add_bos = file.find_boolean(prefix + "add_bos_token");
  vocabulary.add_eos = file.find_boolean(prefix + "add_eos_token");
  vocabulary.add_space_prefix = file.find_boolean(prefix + "add_space_prefix");
  vocabulary.remove_extra_whitespaces = file.find_boolean(prefix + "remove_extra_whitespaces");
  if (file.has(prefix + "precompiled_charsmap")) {
    vocabulary.precompiled_charsmap = bytes_of(file, prefix + "precompiled_charsmap");
  }
  vocabulary.chat_template = file.find_string("tokenizer.chat_template");
  return vocabulary;
}

}  // namespace sleb
