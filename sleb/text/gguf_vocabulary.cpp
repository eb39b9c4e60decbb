#include "sleb/text/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/base/utf8.h"
#include "sleb/text/gguf_pre_tokenizers.h"
#include "sleb/text/gguf_tokens.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace {

struct SpecialTokens {
  std::optional<NamedToken> bos, eos, unknown, padding;
};

SpecialTokens special_tokens(const GgufVocabulary& vocabulary, const GgufTokens& tokens) {
  return {.bos = tokens.at("bos_token_id", vocabulary.bos),
          .eos = tokens.at("eos_token_id", vocabulary.eos),
          .unknown = tokens.at("unknown_token_id", vocabulary.unknown),
          .padding = tokens.at("padding_token_id", vocabulary.padding)};
}

OrderedJson merge_pairs(const GgufVocabulary& vocabulary, const GgufTokens& tokens) {
  OrderedJson pairs = OrderedJson::array();
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const std::string& merge = vocabulary.merges[i];
    const std::string place = fmt::format("{}: tokenizer.ggml.merges[{}]", vocabulary.label, i);
    if (!is_valid_utf8(merge)) bad_input("{} is not valid UTF-8", place);
    const size_t blank = merge.find(' ', 1);  // as llama.cpp: a token may begin with a blank
    if (blank == merge.npos) bad_input("{}: {:?} is not two tokens with a blank between them", place, merge);
    const std::string left = merge.substr(0, blank);
    const std::string right = merge.substr(blank + 1);
    for (const std::string& token : {left, right, left + right}) {
      if (!tokens.id_of(token)) {
        bad_input("{}: the merge {:?} needs the token {:?}, which the vocabulary lacks", place, merge, token);
      }
    }
    pairs.push_back({left, right});
  }
  return pairs;
}

// BOS and EOS around every text, as far as they are wanted.
OrderedJson post_processor(const GgufVocabulary& vocabulary, const SpecialTokens& special, bool add_bos, bool add_eos) {
  const auto wanted = [&](bool add, const std::optional<NamedToken>& token, const char* what) {
    if (add && !token) {
      bad_input("{}: tokenizer.ggml.add_{}_token is set without a {}_token_id", vocabulary.label, what, what);
    }
    return add ? token : std::nullopt;
  };
  return template_json(wanted(add_bos, special.bos, "bos"), wanted(add_eos, special.eos, "eos"));
}

TokenizerParts gpt2_parts(const GgufVocabulary& vocabulary, const GgufTokens& tokens, const SpecialTokens& special) {
  GgufPreTokenizer pre = gguf_pre_tokenizer(vocabulary.pre, vocabulary.label);
  const bool add_bos = vocabulary.add_bos.value_or(pre.add_bos);
  const BpeOptions options = {
      .unknown_token = {}, .fuse_unknown = false, .byte_fallback = !pre.byte_level, .ignore_merges = pre.ignore_merges};
  return {.added_tokens = tokens.added_tokens(),
          .normalizer = std::move(pre.normalizer),
          .pre_tokenizer = std::move(pre.pre_tokenizer),
          .post_processor = post_processor(vocabulary, special, add_bos, vocabulary.add_eos.value_or(false)),
          .decoder = pre.byte_level ? byte_level_json(true, true) : piece_decoder_json(false),
          .model = bpe_json(options, tokens.vocabulary(), merge_pairs(vocabulary, tokens))};
}

void check_scores(const GgufVocabulary& vocabulary) {
  const auto& scores = vocabulary.scores;
  if (scores.size() != vocabulary.tokens.size()) {
    bad_input("{}: tokenizer.ggml.scores has {} elements for {} tokens", vocabulary.label, scores.size(),
              vocabulary.tokens.size());
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      bad_input("{}: tokenizer.ggml.scores[{}] is not a finite number", vocabulary.label, i);
    }
  }
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.tokens[i].size() > longest_piece_bytes) {
      bad_input("{}: tokenizer.ggml.tokens[{}] of {} bytes is too long", vocabulary.label, i,
                vocabulary.tokens[i].size());
    }
  }
}

// SentencePiece's BPE as llama.cpp does it (llama-vocab.cpp, llm_tokenizer_spm): a blank before every text between
// special tokens, no other normalizer whatever the file says of one, and merges by the score of the token they make.
TokenizerParts llama_parts(const GgufVocabulary& vocabulary, const GgufTokens& tokens, const SpecialTokens& special) {
  check_scores(vocabulary);
  const bool add_space_prefix = vocabulary.add_space_prefix.value_or(true);
  std::vector<OrderedJson> normalizers;
  if (add_space_prefix) normalizers.push_back(prepend_json(blank_symbol));
  normalizers.push_back(replace_json(" ", blank_symbol));
  BpeOptions options = {.unknown_token = {}, .fuse_unknown = true, .byte_fallback = true, .ignore_merges = false};
  if (special.unknown) options.unknown_token = special.unknown->content;
  return {.added_tokens = tokens.added_tokens(),
          .normalizer = sequence_json("normalizers", std::move(normalizers)),
          .pre_tokenizer = nullptr,
          .post_processor = post_processor(vocabulary, special, vocabulary.add_bos.value_or(true),
                                           vocabulary.add_eos.value_or(false)),
          .decoder = piece_decoder_json(add_space_prefix),
          .model = bpe_json(options, tokens.vocabulary(),
                            merges_by_score(tokens.names(), vocabulary.scores,
                                            [&](std::string_view name) { return tokens.id_of(name); }))};
}

// SentencePiece's Unigram as llama.cpp does it (llm_tokenizer_ugm): with the file's own normalizer.
TokenizerParts t5_parts(const GgufVocabulary& vocabulary, const GgufTokens& tokens, const SpecialTokens& special) {
  check_scores(vocabulary);
  if (!special.unknown) bad_input("{}: tokenizer.ggml.unknown_token_id is missing", vocabulary.label);
  const bool merges_blanks = vocabulary.remove_extra_whitespaces.value_or(false);
  const bool add_space_prefix = merges_blanks || vocabulary.add_space_prefix.value_or(false);
  constexpr size_t largest_charsmap = size_t{16} << 20;
  if (vocabulary.precompiled_charsmap.size() > largest_charsmap) {
    bad_input("{}: tokenizer.ggml.precompiled_charsmap of {} bytes is too large", vocabulary.label,
              vocabulary.precompiled_charsmap.size());
  }
  std::vector<OrderedJson> normalizers;
  if (!vocabulary.precompiled_charsmap.empty()) normalizers.push_back(charsmap_json(vocabulary.precompiled_charsmap));
  if (merges_blanks) {
    normalizers.push_back(replace_regex_json("^ +| +$", ""));
    normalizers.push_back(replace_regex_json(" {2,}", " "));
  }
  if (add_space_prefix) normalizers.push_back(prepend_json(blank_symbol));
  normalizers.push_back(replace_json(" ", blank_symbol));
  OrderedJson pieces = OrderedJson::array();
  for (size_t i = 0; i < tokens.names().size(); ++i) pieces.push_back({tokens.names()[i], vocabulary.scores[i]});
  return {.added_tokens = tokens.added_tokens(),
          .normalizer = sequence_json("normalizers", std::move(normalizers)),
          .pre_tokenizer = nullptr,
          .post_processor = post_processor(vocabulary, special, vocabulary.add_bos.value_or(false),
                                           vocabulary.add_eos.value_or(true)),
          .decoder = piece_decoder_json(add_space_prefix),
          .model = {{"type", "Unigram"},
                    {"unk_id", special.unknown->id},
                    {"vocab", std::move(pieces)},
                    {"byte_fallback", false}}};
}

std::string tokenizer_config(const GgufVocabulary& vocabulary, const SpecialTokens& special) {
  OrderedJson config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto set = [&](const char* key, const std::optional<NamedToken>& token) {
    if (token) config[key] = token->content;
  };
  set("bos_token", special.bos);
  set("eos_token", special.eos);
  set("unk_token", special.unknown);
  set("pad_token", special.padding);
  if (vocabulary.chat_template) {
    if (!is_valid_utf8(*vocabulary.chat_template)) {
      bad_input("{}: tokenizer.chat_template is not valid UTF-8", vocabulary.label);
    }
    config["chat_template"] = *vocabulary.chat_template;
  }
  return config.dump(2) + "\n";
}

// One of the vocabularies that llama.cpp knows, with the ids of special tokens where the file does not name them.
struct Kind {
  std::string_view name;
  TokenizerParts (*parts)(const GgufVocabulary&, const GgufTokens&, const SpecialTokens&);
  std::optional<int64_t> bos, eos, unknown, padding;
};
constexpr Kind kinds[] = {
    {"gpt2", gpt2_parts, {}, {}, {}, {}}, {"llama", llama_parts, 1, 2, 0, {}}, {"t5", t5_parts, {}, 1, 2, 0}};

GgufVocabulary with_defaults(GgufVocabulary vocabulary, const Kind& kind) {
  const auto set = [&](std::optional<int64_t>& id, const std::optional<int64_t>& usual) {
    if (!id && usual && static_cast<uint64_t>(*usual) < vocabulary.tokens.size()) id = usual;
  };
  set(vocabulary.bos, kind.bos);
  set(vocabulary.eos, kind.eos);
  set(vocabulary.unknown, kind.unknown);
  set(vocabulary.padding, kind.padding);
  return vocabulary;
}

}  // namespace

TokenizerFiles tokenizer_files(const GgufVocabulary& original) {
  const auto kind = std::ranges::find(kinds, original.model, &Kind::name);
  if (kind == std::end(kinds)) {
    bad_input("{}: tokenizer.ggml.model {:?} is not supported", original.label, original.model);
  }
  const GgufVocabulary vocabulary = with_defaults(original, *kind);
  const GgufTokens tokens(vocabulary);
  const SpecialTokens special = special_tokens(vocabulary, tokens);
  return {.tokenizer_json = tokenizer_json(kind->parts(vocabulary, tokens, special)),
          .tokenizer_config_json = tokenizer_config(vocabulary, special)};
}

}  // namespace sleb
