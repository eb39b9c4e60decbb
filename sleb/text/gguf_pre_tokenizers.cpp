#include "sleb/text/gguf_pre_tokenizers.h"

#include <initializer_list>
#include <vector>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// llama.cpp, src/llama-vocab.cpp: the names, and for every name the patterns applied one after another. Where that file
// quotes "original regex from tokenizer.json", the original is taken: Oniguruma needs no rewriting of (?i:...) or of
// categories.
constexpr std::string_view llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view seed_coder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view tekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                                    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                                    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view gpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view deepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

OrderedJson byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

OrderedJson sequence(std::vector<OrderedJson> members) {
  return {{"type", "Sequence"}, {"pretokenizers", std::move(members)}};
}

OrderedJson splits(std::initializer_list<std::string_view> patterns) {
  std::vector<OrderedJson> members;
  for (const std::string_view pattern : patterns) {
    members.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", std::string(pattern)}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
  }
  members.push_back(byte_level(false));
  return sequence(std::move(members));
}

OrderedJson digits_then_gpt2() {
  return sequence({{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)});
}

OrderedJson nfc() {
  return {{"type", "NFC"}};
}

struct Row {
  std::vector<std::string_view> names;
  GgufPreTokenizer parts;
};

// llama.cpp has no normalizers; the NFC rows are those whose Hugging Face tokenizer class has one (Qwen2Tokenizer,
// Qwen3_5Tokenizer, CohereTokenizer). For "default" llama.cpp warns that its pattern degrades quality; like
// transformers, this takes GPT-2's, of which the models of that time were made.
const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {{"", "default", "gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "mpt", "olmo", "jais", "trillion",
        "granite-docling"},
       {nullptr, byte_level(true), false, false}},
      {{"smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"},
       {nullptr, digits_then_gpt2(), false, false}},
      {{"command-r"}, {nfc(), digits_then_gpt2(), false, false}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {nullptr, splits({llama3}), true, true}},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {nullptr, splits({llama3}), false, false}},
      {{"qwen2"}, {nfc(), splits({qwen2}), false, false}},
      {{"deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"},
       {nullptr, splits({qwen2}), false, false}},
      {{"qwen35"}, {nfc(), splits({qwen35}), false, false}},
      {{"seed-coder"}, {nullptr, splits({seed_coder}), false, false}},
      {{"tekken"}, {nullptr, splits({tekken}), true, true}},
      {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {nullptr, splits({gpt4o}), false, false}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm"},
       {nullptr, splits({R"(\p{N}{1,3})", "[一-龥\u3040-ゟ゠-ヿ]+", deepseek3}), false, false}},
  };
  return all;
}

}  // namespace

GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view label) {
  for (const Row& row : rows()) {
    for (const std::string_view known : row.names) {
      if (known == name) return row.parts;
    }
  }
  bad_input("{}: tokenizer.ggml.pre {:?} is not supported", label, name);
}

}  // namespace sleb
