// The "vocab" object of a tokenizer.json: tokens and their ids.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

constexpr int64_t largest_token_id = std::numeric_limits<int32_t>::max();

// So that a map with string keys can be asked for a string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

// A token as it stands in the vocabulary.
struct TokenText {
  int64_t id;
  std::string_view text;
};

class Vocabulary {
 public:
  Vocabulary() = default;
  // Throws Error(bad_input) for an id out of range or given twice, and for an object without members.
  explicit Vocabulary(const JsonView& object);

  // Unlike in an object, a token may come twice; the last id counts. The token, which lives as long as the vocabulary.
  std::string_view set(std::string_view token, int32_t id) {
    return ids_.insert_or_assign(std::string(token), id).first->first;
  }

  std::optional<int32_t> find(std::string_view token) const;
  size_t size() const { return ids_.size(); }
  std::vector<TokenText> texts() const;  // live as long as the vocabulary
  const StringMap<int32_t>& tokens() const { return ids_; }

  // Tokens and ids for a ByteTrie. Throws Error(bad_input), at `place`, for a token that is too long: models that try
  // at every place of a text how far it agrees with a token would take the square of the time.
  std::vector<std::pair<std::string_view, int32_t>> short_tokens(const JsonView& place) const;

 private:
  StringMap<int32_t> ids_;
};

// The ids of the tokens "<0x00>" to "<0xFF>", as which "byte_fallback" spells bytes; -1 for those that are missing.
std::array<int32_t, 256> byte_token_ids(const Vocabulary& vocabulary);

}  // namespace sleb
