// Where a text can be cut before byte-pair encoding without changing the result: between characters that no merge
// joins.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sleb/text/model/pair_map.h"
#include "sleb/text/model/vocabulary.h"

namespace sleb {

// The ids of the tokens of one character: asked for every character of a text, so those of the basic plane are in a
// table.
class CharacterIds {
 public:
  static constexpr int32_t none = -1;

  CharacterIds() = default;
  explicit CharacterIds(const Vocabulary& vocabulary);

  int32_t find(std::string_view character) const;

 private:
  static constexpr char32_t table_size = 0x10000;
  std::vector<int32_t> table_;
  StringMap<int32_t> others_;
};

// A merge as far as it matters here.
struct MergedPair {
  int32_t left, right, made;  // ids
  size_t length;              // bytes of the token made
};

// Without a pre-tokenizer, as in LLaMA 2, a whole text is one piece. But two neighbours of different pieces are joined
// only by a merge whose left token ends in the one character and whose right token begins with the other. Where there
// is no such merge, all that happens on the one side is independent of the other; most vocabularies have none that
// crosses the beginning of a word, and short parts can be kept in a cache.
class MergeBoundaries {
 public:
  MergeBoundaries() = default;
  // `initial`: the ids of tokens that text can be spelled in before any merge.
  MergeBoundaries(std::vector<MergedPair> merges, const std::vector<int32_t>& initial);

  // Whether the boundaries were found out; otherwise nothing may be cut.
  bool known() const { return known_; }
  // Whether a text may be cut between two characters, given by the ids of their tokens. Only if known.
  bool between(int32_t left, int32_t right) const { return !joined_.find({left, right}); }

 private:
  bool known_ = false;
  PairMap<char> joined_;
};

}  // namespace sleb
