#include "sleb/text/gguf_pre_tokenizers.h"

#include <initializer_list>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/text/sources/tokenizer_json.h"

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
constexpr std::string_view spark25 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n])"
    R"(|\s+(?!\S)|\s+)";
constexpr std::string_view cjk = "[一-龥\u3040-ゟ゠-ヿ]+";
constexpr std::string_view digit = R"(\p{N})";
constexpr std::string_view three_digits = R"(\p{N}{1,3})";
constexpr std::string_view gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Runs of blanks by powers of two.
constexpr std::string_view jais2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S))"
    R"(|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view minicpm5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s+(?!\S)|\s+)";
constexpr std::string_view exaone_moe =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?)"
    R"(|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view bailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view ufakzeka =
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// As gpt4o, but a digit stands alone.
constexpr std::string_view youtu =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Korean, full-width punctuation, Bopomofo, Chinese and Japanese.
constexpr std::string_view youtu_asian =
    R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|[！…“”‘’—：；，\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+)"
    R"(|[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+)";
// As gpt4o, but Chinese characters stand apart from other letters.
constexpr std::string_view kimi =
    R"([\p{Han}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Letters of the alphabets that have upper and lower case.
constexpr std::string_view deepseek_letters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ)"
    R"(\x{1F5F}-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}ῂ-ῄῆ-ῌ\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆ)"
    R"(ﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::string_view deepseek_cjk = R"([一-龥\x{800}-一가-\x{D7FF}]+)";
// Scripts without blanks between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese, Korean.
constexpr std::string_view afmoe_asian =
    R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF})"
    R"(\x{0E40}-\x{0EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF})"
    R"(\x{1100}-\x{11FF}]+)";
constexpr std::string_view bloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

OrderedJson splits(std::initializer_list<std::string_view> patterns) {
  std::vector<OrderedJson> members;
  for (const std::string_view pattern : patterns) {
    members.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", std::string(pattern)}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
  }
  members.push_back(byte_level_json(false, false));
  return sequence_json("pretokenizers", std::move(members));
}

OrderedJson gpt2_alone() {
  return byte_level_json(false, true);
}

OrderedJson digits_then_gpt2() {
  return sequence_json("pretokenizers",
                       {{{"type", "Digits"}, {"individual_digits", true}}, byte_level_json(false, true)});
}

OrderedJson nfc() {
  return {{"type", "NFC"}};
}

struct Row {
  std::vector<std::string_view> names;  // the first is the one to write
  GgufPreTokenizer parts;
};

// SentencePiece's spelling in a "gpt2" vocabulary: blanks as U+2581, lines apart.
GgufPreTokenizer lines_of_pieces() {
  return {.normalizer = replace_json(" ", blank_symbol),
          .pre_tokenizer = {{"type", "Split"},
                            {"pattern", {{"Regex", R"([^\n]+|[\n]+)"}}},
                            {"behavior", "Isolated"},
                            {"invert", false}},
          .ignore_merges = false,
          .add_bos = false,
          .byte_level = false};
}

// llama.cpp has no normalizers; the NFC rows are those whose Hugging Face tokenizer class has one (Qwen2Tokenizer,
// Qwen3_5Tokenizer, CohereTokenizer, GPTNeoXTokenizer). For "default" llama.cpp warns that its pattern degrades
// quality; like transformers, this takes GPT-2's, of which the models of that time were made. Left out are "gemma4" and
// "granite-embed-multi-311m", whose runs of newlines llama.cpp takes whole past the merges, and "whitespace".
const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {{"gpt-2", "", "default", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "jais", "trillion", "jina-es",
        "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe", "modern-bert",
        "granite-docling"},
       {nullptr, gpt2_alone(), false, false}},
      {{"olmo", "mpt"}, {nfc(), gpt2_alone(), false, false}},
      {{"smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"},
       {nullptr, digits_then_gpt2(), false, false}},
      {{"command-r"}, {nfc(), digits_then_gpt2(), false, false}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
       {nullptr, splits({llama3}), true, true}},
      {{"glm4", "chatglm-bpe", "dbrx", "smaug-bpe"}, {nullptr, splits({llama3}), false, false}},
      {{"jais-2"}, {nullptr, splits({jais2}), false, false}},
      {{"minicpm5"}, {nullptr, splits({three_digits, minicpm5}), true, false}},
      {{"qwen2"}, {nfc(), splits({qwen2}), false, false}},
      {{"deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"},
       {nullptr, splits({qwen2}), false, false}},
      {{"laguna"}, {nullptr, splits({R"([^\n]+|[\n]+)", qwen2}), false, false}},
      {{"ufakzeka"}, {nullptr, splits({ufakzeka}), false, false}},
      {{"qwen35"}, {nfc(), splits({qwen35}), false, false}},
      {{"seed-coder"}, {nullptr, splits({seed_coder}), false, false}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, {nullptr, splits({bailing}), false, false}},
      {{"exaone-moe"}, {nullptr, splits({exaone_moe}), false, false}},
      {{"tekken"}, {nullptr, splits({tekken}), true, true}},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {nullptr, splits({gpt4o}), false, false}},
      {{"granite-embed-multi-97m"}, {nullptr, splits({gpt4o}), true, false}},
      {{"tiny_aya", "cohere2moe"}, {nullptr, splits({R"(\d{1,3}(?=(?:\d{3})*\b))", gpt4o}), false, false}},
      {{"youtu"}, {nullptr, splits({youtu_asian, youtu}), true, false}},
      {{"kimi-k2"}, {nullptr, splits({kimi}), false, false}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
       {nullptr, splits({three_digits, cjk, deepseek3}), false, false}},
      {{"spark2_5"}, {nullptr, splits({three_digits, cjk, spark25, digit}), false, false}},
      {{"afmoe"},
       {nullptr,
        // Threes counted from a number's end, as llama.cpp's own code for it does.
        splits({R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))", afmoe_asian, deepseek3}), false, false}},
      {{"deepseek-llm"},
       {nullptr,
        splits({R"([\r\n])", deepseek_letters, R"(\s?[!-/:-~！-／：-～‘-\x{201F}\x{3000}-。]+)", R"(\s+$)",
                deepseek_cjk, R"(\p{N}+)"}),
        false, false}},
      {{"deepseek-coder"},
       {nullptr, splits({R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", deepseek_cjk, digit}), false, false}},
      {{"falcon"}, {nullptr, splits({R"([\p{P}\$\+<=>\^~\|`]+)", gpt2, "[0-9][0-9][0-9]"}), false, false}},
      {{"bloom", "poro-chat", "gpt3-finnish"}, {nullptr, splits({bloom}), false, false}},
      {{"viking"}, {nullptr, splits({bloom, digit}), false, false}},
      {{"chameleon"},
       {nullptr,
        splits({"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"(([\t\n]|    |  ))", digit,
                R"([\p{P}!-/:-@\[-`{-~])", gpt2}),
        false, true}},
      {{"superbpe"}, {nullptr, splits({R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}), false, false}},
      {{"sarvam-moe"}, lines_of_pieces()},
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

std::vector<std::string_view> gguf_pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const Row& row : rows()) names.push_back(row.names.front());
  return names;
}

}  // namespace sleb
