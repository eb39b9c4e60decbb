// The "added_tokens" of a tokenizer.json: found in the text as a whole, before and after normalization.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/text/model/token_model.h"
#include "sleb/text/normalizer/normalizer.h"
#include "sleb/unicode/regex.h"

namespace sleb {

struct AddedToken {
  std::string content;
  int64_t id;
  bool special;      // found first among tokens that read the same once normalized
  bool single_word;  // not inside a word
  bool lstrip;       // takes the blanks before it
  bool rstrip;       // takes the blanks after it
  bool normalized;   // found in the normalized text, not in the raw one
};

using SpanHandler = std::function<void(Span)>;
using SectionHandler = std::function<void(Section)>;
using TokenHandler = std::function<void(int64_t)>;

// Finds a set of tokens, at every place the longest.
class TokenFinder {
 public:
  TokenFinder() { root_.fill(none); }
  // `spelling`: how `token` reads in the text searched, not empty. Of two tokens with one spelling the first added is
  // found.
  void add(std::string_view spelling, AddedToken token);
  // Special tokens are read as any other text.
  void hide_special(bool hide) { hides_special_ = hide; }

  // Calls `on_text` for what lies between tokens, never empty, and `on_token` for tokens, in order.
  void cut(std::string_view text, const SpanHandler& on_text, const TokenHandler& on_token) const;

 private:
  static constexpr int32_t none = -1;

  struct Match {
    size_t begin, end;
    int32_t token;
  };
  Match find(std::string_view text, size_t from) const;
  int32_t child(int32_t node, char byte) const;

  // A trie: the first byte by table, which turns most places in a text away, the others by hash.
  std::array<int32_t, 256> root_;
  std::unordered_map<uint64_t, int32_t> children_;
  std::vector<int32_t> token_at_node_;
  std::vector<AddedToken> tokens_;
  bool hides_special_ = false;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  // Ids are those that the tokenizers library gives, whatever the list says: the model's, else the next free one in the
  // order of the list; of a token listed twice the last options count. `split_special`: texts that spell special tokens
  // are split like others (transformers' split_special_tokens).
  AddedTokens(const JsonView& list, const TokenModel& model, const Normalizers& normalizers,
              bool split_special = false);

  struct Known {
    int64_t id;
    std::string content;
    bool special;
  };
  const std::vector<Known>& known() const { return known_; }

  // Cuts raw text at added tokens; `on_text` gets the normalized text between them.
  void cut(std::string_view text, const Normalizers& normalizers, const SectionHandler& on_text,
           const TokenHandler& on_token) const;

 private:
  std::vector<Known> known_;
  TokenFinder raw_;
  TokenFinder normalized_;
};

}  // namespace sleb
