// Parts of a tokenizer.json, for sources that say the same in another form: so that one pipeline serves all of them,
// and what is exported is what was run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// A token that is looked for in the text before anything else is.
struct AddedTokenOptions {
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = true;
  bool operator==(const AddedTokenOptions&) const = default;
};

struct NamedToken {
  std::string content;
  int64_t id;
};

OrderedJson added_token_json(const AddedTokenOptions& token, int64_t id);

// An object of tokens and their ids; the names are distinct.
OrderedJson vocabulary_json(const std::vector<std::pair<std::string, int64_t>>& ids);

OrderedJson sequence_json(std::string_view members_key, std::vector<OrderedJson> members);
OrderedJson replace_json(const std::string& text, const std::string& by);
OrderedJson replace_regex_json(const std::string& pattern, const std::string& by);
OrderedJson prepend_json(const std::string& text);
OrderedJson charsmap_json(std::string_view table);  // "Precompiled"
OrderedJson byte_level_json(bool add_prefix_space, bool use_regex);

// The decoder of vocabularies that spell blanks as U+2581 and unknown bytes as <0xNN>.
OrderedJson piece_decoder_json(bool strip_first_blank);

// "TemplateProcessing" that puts BOS before and EOS behind every text, as far as given.
OrderedJson template_json(const std::optional<NamedToken>& bos, const std::optional<NamedToken>& eos);

struct BpeOptions {
  std::optional<std::string> unknown_token;
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};
OrderedJson bpe_json(const BpeOptions& options, OrderedJson vocabulary, OrderedJson merges);

struct TokenizerParts {
  OrderedJson added_tokens = OrderedJson::array();
  OrderedJson normalizer, pre_tokenizer, post_processor, decoder, model;  // null for none
};
std::string tokenizer_json(TokenizerParts parts);

// The merges of a vocabulary that has scores instead: every way to put a piece together from two others, the highest
// score first, then the lower id, then the shorter left part. SentencePiece merges the pair that makes the piece of the
// highest score, so this order gives its ids, except where one piece can arise from two overlapping pairs of different
// lengths at once. `id_of`: of a piece's text, nothing where it is none.
OrderedJson merges_by_score(std::span<const std::string> pieces, std::span<const double> scores,
                            const std::function<std::optional<size_t>(std::string_view)>& id_of);

// U+2581, which spells a blank in the pieces of SentencePiece.
inline constexpr const char* blank_symbol = "\xE2\x96\x81";
// Longer pieces are refused: the ways to split them grow with the square of their length.
inline constexpr size_t longest_piece_bytes = 4096;

}  // namespace sleb
