#include "sleb/text/sources/tokenizer_classes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "sleb/text/gguf_pre_tokenizers.h"

namespace sleb {
namespace {

// `words`: with single blanks between. (clang 14, which builds the fuzz targets, has no std::views::split.)
bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

constexpr const char* text_end = "<|endoftext|>";

ClassParts byte_level_parts(OrderedJson normalizer, OrderedJson pre_tokenizer) {
  return {.normalizer = std::move(normalizer),
          .pre_tokenizer = std::move(pre_tokenizer),
          .decoder = byte_level_json(true, true),
          .model = {}};
}

OrderedJson byte_level_of(const TokenizerConfig& config) {
  return byte_level_json(config.add_prefix_space.value_or(false), true);
}

OrderedJson nfc() {
  return {{"type", "NFC"}};
}

ClassParts gpt2_parts(const TokenizerConfig& config) {
  return byte_level_parts(nullptr, byte_level_of(config));
}

ClassParts gpt_neox_parts(const TokenizerConfig& config) {
  return byte_level_parts(nfc(), byte_level_of(config));
}

ClassParts cohere_parts(const TokenizerConfig& config) {
  const OrderedJson digits = {{"type", "Digits"}, {"individual_digits", true}};
  return byte_level_parts(nfc(), sequence_json("pretokenizers", {digits, byte_level_of(config)}));
}

ClassParts qwen2_parts(const TokenizerConfig& config) {
  GgufPreTokenizer parts = gguf_pre_tokenizer("qwen2", config.label);
  parts.pre_tokenizer["pretokenizers"].back()["add_prefix_space"] = config.add_prefix_space.value_or(false);
  return byte_level_parts(std::move(parts.normalizer), std::move(parts.pre_tokenizer));
}

ClassParts llama_parts(const TokenizerConfig& config) {
  const bool add_prefix_space = config.add_prefix_space.value_or(true);
  const char* scheme = !add_prefix_space ? "never" : config.legacy.value_or(false) ? "always" : "first";
  return {.normalizer = nullptr,
          .pre_tokenizer = {{"type", "Metaspace"},
                            {"replacement", blank_symbol},
                            {"prepend_scheme", scheme},
                            {"split", false}},
          .decoder = piece_decoder_json(add_prefix_space),
          .model = {.unknown_token = {}, .fuse_unknown = true, .byte_fallback = true, .ignore_merges = false}};
}

ClassParts gemma_parts(const TokenizerConfig& config) {
  const auto named = std::ranges::find(config.roles, "unk_token", &RoleToken::first);
  std::optional<std::string> unknown = "<unk>";
  if (named != config.roles.end()) unknown = named->second ? std::optional(named->second->content) : std::nullopt;
  return {.normalizer = replace_json(" ", blank_symbol),
          .pre_tokenizer = {{"type", "Split"},
                            {"pattern", {{"String", " "}}},
                            {"behavior", "MergedWithPrevious"},
                            {"invert", false}},
          .decoder = piece_decoder_json(false),
          .model = {.unknown_token = unknown, .fuse_unknown = true, .byte_fallback = true, .ignore_merges = false}};
}

using Roles = std::vector<std::pair<std::string, std::string>>;

const std::vector<TokenizerClass>& classes() {
  const Roles ends_of_text = {{"bos_token", text_end}, {"eos_token", text_end}, {"unk_token", text_end}};
  constexpr auto vocab_and_merges = VocabularyFiles::vocab_and_merges;
  constexpr auto sentencepiece = VocabularyFiles::sentencepiece;
  static const std::vector<TokenizerClass> all = {
      {"LlamaTokenizer",
       sentencepiece,
       "idefics idefics2",
       {.roles = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}}, .extra = {}},
       false,
       llama_parts},
      {"GPT2Tokenizer",
       vocab_and_merges,
       "blip-2 codegen dbrx emu3 gpt2 gpt_neo gptj hyperclovax_vision_v2 instructblip instructblipvideo jais2 "
       "opt phi starcoder2",
       {.roles = ends_of_text, .extra = {}},
       false,
       gpt2_parts},
      // What it makes is GPT2Tokenizer's; Phi-1 and Phi-2 name it.
      {"CodeGenTokenizer", vocab_and_merges, "", {.roles = ends_of_text, .extra = {}}, false, gpt2_parts},
      {"GPTNeoXTokenizer",
       vocab_and_merges,
       "falcon_mamba gpt_neox mamba mamba2 mpt olmo olmoe rwkv xlstm",
       {.roles =
            {{"bos_token", text_end}, {"eos_token", text_end}, {"unk_token", text_end}, {"pad_token", "<|padding|>"}},
        .extra = {}},
       true,
       gpt_neox_parts},
      {"Qwen2Tokenizer",
       vocab_and_merges,
       "audioflamingo3 colqwen2 cosmos3_omni dots3_note fun_asr_nano hunyuan_vl internvl lighton_ocr "
       "moss_transcribe_diarize ovis2 qianfan_ocr qwen2 qwen2_5_omni qwen2_5_vl qwen2_audio qwen2_moe "
       "qwen2_vl qwen3 qwen3_asr qwen3_moe qwen3_next qwen3_omni_moe qwen3_vl qwen3_vl_moe vibevoice",
       {.roles = {{"eos_token", text_end}, {"unk_token", text_end}, {"pad_token", text_end}},
        .extra = {},
        .added_again = AddedAgain::plain},
       false,
       qwen2_parts},
      {"GemmaTokenizer",
       sentencepiece,
       "diffusion_gemma gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma shieldgemma2 "
       "t5gemma zaya",
       {.roles = {{"bos_token", "<bos>"},
                  {"eos_token", "<eos>"},
                  {"unk_token", "<unk>"},
                  {"pad_token", "<pad>"},
                  {"mask_token", "<mask>"}},
        .extra = {}},
       false,
       gemma_parts},
      {"CohereTokenizer",
       vocab_and_merges,
       "aya_vision cohere cohere2",
       {.roles = {{"bos_token", "<BOS_TOKEN>"},
                  {"eos_token", "<|END_OF_TURN_TOKEN|>"},
                  {"unk_token", "<UNK>"},
                  {"sep_token", "<SEP>"},
                  {"pad_token", "<PAD>"},
                  {"cls_token", "<CLS>"},
                  {"mask_token", "<MASK_TOKEN>"}},
        .extra = {},
        .added_again = AddedAgain::extra},
       false,
       cohere_parts},
  };
  return all;
}

// Model types whose registered class is TokenizersBackend, which counts against any other name
// (TOKENIZER_MAPPING_NAMES, with what of MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS is not in there).
bool has_generic_class(std::string_view model_type) {
  constexpr std::string_view types =
      "EvollaModel arctic aria beam bigbird_pegasus camembertv2-base canary chatlm cohere_asr ernie4_5 "
      "ernie4_5_moe flex_olmo fuyu glm glm4 glm4_moe glm4_moe_lite glm4v glm4v_moe glm_image glmasr got_ocr2 "
      "gpt_bigcode gradium_phonon_tts granite granitemoe granitemoehybrid granitemoeshared h2ovl_chat "
      "hyperclovax hyperclovax_vlm internlm2 internlm3 iquestcoder jamba kimi_k25 kimi_linear kosmos-2 llava "
      "llava_next mimo_v2_flash minicpm3 minicpm_ocr minicpmv minicpmv4_6 minicpmv4_7 minimax_m2 ministral "
      "ministral3 mistral mistral3 mistral_large4 mixtral modernbert modernbert-decoder molmo molmo2 "
      "nemo_speechlm nemotron nvfp4 nystromformer olmo2 olmo3 olmo_hybrid opencua openvla paddleocr_vl "
      "pegasus_x persimmon phi3 phi3_v phimoe pix2struct pixtral pocket_tts smolvlm stablelm step3_vl umt5 "
      "vipllava voxtral voxtral_realtime xlm-roberta-xl";
  return has_word(types, model_type);
}

// Of these the name in the files is known to be wrong, and the registered class is one of the table's
// (MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS).
constexpr std::string_view wrongly_named_model_types = "hyperclovax_vision_v2 qwen2";

ChosenClass class_by_name(std::string_view name) {
  const TokenizerClass* own = find_tokenizer_class(name);
  return {.own = own, .is_known = own || is_generic_tokenizer_class(name)};
}

const TokenizerClass* registered_class(std::string_view model_type) {
  const auto found = std::ranges::find_if(
      classes(), [&](const TokenizerClass& entry) { return has_word(entry.model_types, model_type); });
  return found == classes().end() ? nullptr : &*found;
}

}  // namespace

const TokenizerClass* find_tokenizer_class(std::string_view name) {
  const auto found = std::ranges::find(classes(), name, &TokenizerClass::name);
  return found == classes().end() ? nullptr : &*found;
}

bool is_generic_tokenizer_class(std::string_view name) {
  constexpr std::string_view names[] = {"", "PreTrainedTokenizer", "TokenizersBackend", "PythonBackend",
                                        "BloomTokenizer"};
  return std::ranges::find(names, name) != std::end(names);
}

ChosenClass choose_tokenizer_class(const TokenizerConfig& config, bool has_byte_level) {
  const std::string& named = config.tokenizer_class;
  const bool is_generic = has_generic_class(config.model_type);
  const bool is_misnamed = has_word(wrongly_named_model_types, config.model_type);
  const TokenizerClass* registered = registered_class(config.model_type);
  if (named.empty()) return {.own = registered, .is_known = true};
  if (config.has_auto_map) return class_by_name(named);
  if (is_generic || (named == "LlamaTokenizer" && has_byte_level && !is_misnamed)) return {};
  return is_misnamed ? ChosenClass{.own = registered} : class_by_name(named);
}

}  // namespace sleb
