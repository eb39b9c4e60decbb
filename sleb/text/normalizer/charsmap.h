// SentencePiece's normalization rules, as its models carry them ("precompiled_charsmap").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/text/normalizer/normalizer.h"

namespace sleb {

// The format (google/sentencepiece, src/normalizer.cc): the size of a trie in bytes as 32 little-endian bits; the trie,
// a double array of 32-bit units (Darts-clone); what the keys become, each ended by a zero byte. A key's value is where
// in the last part its text begins.
class Charsmap {
 public:
  // `bytes`: the map; `place` begins error messages. Throws Error(bad_input) for a map that is cut short.
  Charsmap(std::string_view bytes, std::string place);

  // Throws Error(bad_input) for a trie that points outside itself or its texts, wherever that is; without this call the
  // functions below do when they meet such a place.
  void check() const;

  // What the shortest key that `text` begins with becomes.
  std::optional<std::string_view> find(std::string_view text) const;

  struct Rewriting {
    std::string_view text;
    size_t key_size;  // bytes
  };
  // What the longest key that `text` begins with becomes.
  std::optional<Rewriting> find_longest(std::string_view text) const;
  // Whether any key begins with all of `text`.
  bool begins_key(std::string_view text) const;

 private:
  uint32_t unit(size_t index) const;
  std::string_view replacement_at(size_t begin) const;
  std::optional<Rewriting> find(std::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
  std::string place_;
};

std::unique_ptr<Normalizer> make_charsmap(const JsonView& component);

}  // namespace sleb
