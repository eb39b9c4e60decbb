#include "sleb/text/gguf_vocabulary.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/text/gguf_pre_tokenizers.h"
#include "sleb/text/unicode/utf8.h"

namespace sleb {
namespace {

// tokenizer.ggml.token_type
enum TokenType : int64_t {
  undefined = 0,
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

// The vocabulary as checked: what its tokens are called, and their ids.
struct Tokens {
  std::vector<std::string> names;
  std::unordered_map<std::string_view, size_t> ids;  // views into names
};

Tokens checked_tokens(const GgufVocabulary& vocabulary) {
  if (vocabulary.tokens.empty()) bad_input("{}: tokenizer.ggml.tokens is missing or empty", vocabulary.label);
  Tokens tokens{.names = vocabulary.tokens, .ids = {}};
  tokens.ids.reserve(tokens.names.size());
  for (size_t i = 0; i < tokens.names.size(); ++i) {
    std::string& name = tokens.names[i];
    if (!is_valid_utf8(name)) bad_input("{}: tokenizer.ggml.tokens[{}] is not valid UTF-8", vocabulary.label, i);
    if (name.empty()) name = fmt::format("[EMPTY_{}]", i);  // llama.cpp's name for it
    const auto [first, is_new] = tokens.ids.emplace(name, i);
    if (!is_new) {
      bad_input("{}: tokenizer.ggml.tokens[{}] and [{}] are both {:?}", vocabulary.label, first->second, i, name);
    }
  }
  return tokens;
}

int64_t type_of(const GgufVocabulary& vocabulary, size_t id) {
  return vocabulary.token_types.empty() ? normal : vocabulary.token_types[id];
}

void check_types(const GgufVocabulary& vocabulary) {
  const auto& types = vocabulary.token_types;
  if (!types.empty() && types.size() != vocabulary.tokens.size()) {
    bad_input("{}: tokenizer.ggml.token_type has {} elements for {} tokens", vocabulary.label, types.size(),
              vocabulary.tokens.size());
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] < undefined || types[i] > byte) {
      bad_input("{}: tokenizer.ggml.token_type[{}] is {}, which is no type of token", vocabulary.label, i, types[i]);
    }
  }
}

// Tokens that llama.cpp looks for in the text before it pre-tokenizes: control and unknown ones, which are special, and
// those that users defined, which are not.
OrderedJson added_tokens(const GgufVocabulary& vocabulary, const Tokens& tokens) {
  OrderedJson added = OrderedJson::array();
  for (size_t i = 0; i < tokens.names.size(); ++i) {
    const int64_t type = type_of(vocabulary, i);
    if (type != control && type != unknown && type != user_defined) continue;
    added.push_back({{"id", i},
                     {"content", tokens.names[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != user_defined}});
  }
  return added;
}

OrderedJson merge_pairs(const GgufVocabulary& vocabulary, const Tokens& tokens) {
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
      if (!tokens.ids.contains(token)) {
        bad_input("{}: the merge {:?} needs the token {:?}, which the vocabulary lacks", place, merge, token);
      }
    }
    pairs.push_back({left, right});
  }
  return pairs;
}

OrderedJson bpe_model(const GgufVocabulary& vocabulary, const Tokens& tokens, bool ignore_merges) {
  std::vector<std::pair<std::string, OrderedJson>> ids;
  ids.reserve(tokens.names.size());
  for (size_t i = 0; i < tokens.names.size(); ++i) ids.emplace_back(tokens.names[i], i);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", ignore_merges},
          {"vocab", OrderedJson::object_t(ids.begin(), ids.end())},
          {"merges", merge_pairs(vocabulary, tokens)}};
}

// The name of the token that `key` points to.
std::optional<std::string> token_name(const GgufVocabulary& vocabulary, const Tokens& tokens, const char* key,
                                      const std::optional<int64_t>& id) {
  if (!id) return {};
  if (*id < 0 || static_cast<uint64_t>(*id) >= tokens.names.size()) {
    bad_input("{}: tokenizer.ggml.{} is {}, but there are {} tokens", vocabulary.label, key, *id, tokens.names.size());
  }
  return tokens.names[static_cast<size_t>(*id)];
}

struct SpecialTokens {
  std::optional<std::string> bos, eos, unknown, padding;
};

SpecialTokens special_tokens(const GgufVocabulary& vocabulary, const Tokens& tokens) {
  return {.bos = token_name(vocabulary, tokens, "bos_token_id", vocabulary.bos),
          .eos = token_name(vocabulary, tokens, "eos_token_id", vocabulary.eos),
          .unknown = token_name(vocabulary, tokens, "unknown_token_id", vocabulary.unknown),
          .padding = token_name(vocabulary, tokens, "padding_token_id", vocabulary.padding)};
}

// BOS and EOS around every text, as far as they are wanted.
OrderedJson post_processor(const GgufVocabulary& vocabulary, const SpecialTokens& special, bool add_bos, bool add_eos) {
  OrderedJson single = OrderedJson::array(), pair = OrderedJson::array(), named = OrderedJson::object();
  const auto place_token = [&](const std::optional<std::string>& token, const std::optional<int64_t>& id,
                               const char* what) {
    if (!token) bad_input("{}: tokenizer.ggml.add_{}_token is set without a {}_token_id", vocabulary.label, what, what);
    named[*token] = {{"id", *token}, {"ids", {*id}}, {"tokens", {*token}}};
    return OrderedJson{{"SpecialToken", {{"id", *token}, {"type_id", 0}}}};
  };
  for (const char* sequence : {"A", "B"}) {
    OrderedJson part = OrderedJson::array();
    if (add_bos) part.push_back(place_token(special.bos, vocabulary.bos, "bos"));
    part.push_back({{"Sequence", {{"id", sequence}, {"type_id", 0}}}});
    if (add_eos) part.push_back(place_token(special.eos, vocabulary.eos, "eos"));
    pair.insert(pair.end(), part.begin(), part.end());
    if (single.empty()) single = std::move(part);
  }
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(named)}};
}

std::string tokenizer_config(const GgufVocabulary& vocabulary, const SpecialTokens& special) {
  OrderedJson config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto set = [&](const char* key, const std::optional<std::string>& value) {
    if (value) config[key] = *value;
  };
  set("bos_token", special.bos);
  set("eos_token", special.eos);
  set("unk_token", special.unknown);
  set("pad_token", special.padding);
  if (vocabulary.chat_template && !is_valid_utf8(*vocabulary.chat_template)) {
    bad_input("{}: tokenizer.chat_template is not valid UTF-8", vocabulary.label);
  }
  set("chat_template", vocabulary.chat_template);
  return config.dump(2) + "\n";
}

}  // namespace

TokenizerFiles tokenizer_files(const GgufVocabulary& vocabulary) {
  if (vocabulary.model != "gpt2") {
    bad_input("{}: tokenizer.ggml.model {:?} is not supported", vocabulary.label, vocabulary.model);
  }
  const GgufPreTokenizer parts = gguf_pre_tokenizer(vocabulary.pre, vocabulary.label);
  check_types(vocabulary);
  const Tokens tokens = checked_tokens(vocabulary);
  const SpecialTokens special = special_tokens(vocabulary, tokens);
  const OrderedJson tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added_tokens(vocabulary, tokens)},
      {"normalizer", parts.normalizer},
      {"pre_tokenizer", parts.pre_tokenizer},
      {"post_processor", post_processor(vocabulary, special, vocabulary.add_bos.value_or(parts.add_bos),
                                        vocabulary.add_eos.value_or(false))},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model", bpe_model(vocabulary, tokens, parts.ignore_merges)}};
  return {.tokenizer_json = tokenizer.dump() + "\n", .tokenizer_config_json = tokenizer_config(vocabulary, special)};
}

}  // namespace sleb
