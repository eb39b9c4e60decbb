#include "sleb/checkpoint/configuration/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sleb/checkpoint/configuration/rope_parameters.h"
#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {
namespace {

// What every family reads.
constexpr std::string_view common_keys[] = {"model_type",  "architectures",       "vocab_size",          "dtype",
                                            "torch_dtype", "tie_word_embeddings", "quantization_config", "auto_map",
                                            "is_causal",   "per_layer_config"};

// PretrainedConfig of transformers 4 and PreTrainedConfig of 5: none of these changes the logits of a decoder. The
// settings of generation that transformers 4 kept here are among them.
constexpr std::string_view harmless_keys[] = {
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "add_cross_attention",
    "attn_implementation", "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward",
    "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "eos_token_id", "experts_implementation", "exponential_decay_length_penalty",
    "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "gradient_checkpointing", "id2label",
    "initializer_range", "is_decoder", "is_encoder_decoder", "label2id", "length_penalty", "max_length",
    "max_new_tokens", "min_length", "name_or_path", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_labels", "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "pad_token_id",
    "prefix", "problem_type", "pruned_heads", "remove_invalid_values", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params", "temperature",
    "tf_legacy_loss", "tie_encoder_decoder", "tie_last_hidden_states", "tokenizer_class", "top_k", "top_p",
    "torchscript", "transformers_version", "typical_p", "unk_token_id", "use_bfloat16", "use_cache",
    "_model_name_or_path",
    // Written by training frameworks.
    "model_name", "unsloth_fixed", "unsloth_version"};

std::set<std::string_view> known_keys(const Family& family) {
  std::set<std::string_view> known(std::begin(common_keys), std::end(common_keys));
  known.insert(std::begin(harmless_keys), std::end(harmless_keys));
  known.insert(family.harmless_keys.begin(), family.harmless_keys.end());
  for (const std::string_view key : family.keys.all()) known.insert(key);
  for (const RefusedKey& refused : family.refused_keys) known.insert(refused.key);
  // The usual names are known where the family has others too (transformers' attribute_map).
  for (const std::string_view key : usual_sizes.all()) known.insert(key);
  return known;
}

// What computes the family's models elsewhere.
std::string class_of(const Family& family) {
  return fmt::format("{} {}", family.own_code ? "the published" : "transformers'", family.architecture);
}

}  // namespace

void refuse_other_computation(const JsonView& config, const Family& family) {
  if (const auto causal = config.find("is_causal"); causal && causal->raw() != true) {
    causal->fail("attention to later tokens is not known here; the losses of such a model would be wrong");
  }
  if (const auto settings = config.find("per_layer_config"); settings && !settings->raw().empty()) {
    settings->fail("blocks that differ in their settings are not known here");
  }
  for (const auto& [key, reason] : family.refused_keys) {
    const auto member = config.find(std::string(key));
    if (member && member->raw() != false && member->raw() != 0) member->fail(reason);
  }
}

bool names_own_code(const JsonView& config) {
  const auto map = config.find("auto_map");
  return map && !map->raw().empty();
}

std::vector<std::string> config_warnings(const JsonView& config, const Family& family) {
  std::vector<std::string> warnings;
  if (family.assumed.position == PositionKind::rotary) warnings = rope_warnings(config, family.rope);
  if (names_own_code(config)) {
    warnings.push_back(
        fmt::format("{}: auto_map names Python code of the model's own, which is not run: the model is computed as {}",
                    config.place(), class_of(family)));
  }
  const std::set<std::string_view> known = known_keys(family);
  std::vector<std::string> unread;
  for (const auto& [key, value] : config.raw().items()) {
    if (value.is_null() || known.contains(key)) continue;
    if (family.assumed.position == PositionKind::rotary && is_read_by_rope(config, family.rope, key)) continue;
    unread.push_back(key);
  }
  if (!unread.empty()) {
    warnings.push_back(
        fmt::format("{}: not read, by sleb or by {}: {}; a program that reads them may compute another model",
                    config.place(), class_of(family), quote_all(unread)));
  }
  return warnings;
}

}  // namespace sleb
