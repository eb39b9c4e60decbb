#include "sleb/checkpoint/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_config.h"
#include "sleb/checkpoint/families.h"
#include "sleb/text/gguf_end_of_text.h"

namespace sleb {
namespace {

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
      bad_input("{}: tensor 'rope_freqs.weight' holds rope frequencies that config.json cannot express", file.label());
    }
  }
  return {{"rope_type", "llama3"},
          {"rope_theta", rope.theta},
          {"factor", rope.factor},
          {"low_freq_factor", rope.low_freq_factor},
          {"high_freq_factor", rope.high_freq_factor},
          {"original_max_position_embeddings", rope.original_max_positions}};
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

OrderedJson config_from_gguf(const GgufFile& file, const ModelSpec& spec) {
  const Family& family = *find_family(spec.family);
  if (!family.keys[Setting::attention_bias].empty() && spec.qkv_bias != spec.attention_output_bias) {
    bad_input("{}: biases on some of the attention's projections only, which config.json cannot express", file.label());
  }
  OrderedJson config = model_config_from_gguf(ModelMetadata(file), family);
  if (!spec.ropes.empty() && !spec.ropes[0].frequency_divisors.empty()) {
    config["rope_parameters"] = rope_parameters_of_divisors(file, spec);
  }
  // transformers 4 reads this instead.
  if (config.contains("rope_parameters") && config["rope_parameters"].value("rope_type", "default") != "default") {
    config["rope_scaling"] = config["rope_parameters"];
  }
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
