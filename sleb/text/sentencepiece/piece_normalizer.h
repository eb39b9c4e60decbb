// SentencePiece's normalizer: rewrites characters by the map in the file, and blanks by its options (normalizer.cc,
// Normalizer::Normalize).
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "sleb/text/model/byte_trie.h"
#include "sleb/text/sentencepiece/sentencepiece_file.h"

namespace sleb {

class PieceNormalizer {
 public:
  // `file` outlives this.
  explicit PieceNormalizer(const SentencePieceFile& file);

  // Of UTF-8. Throws Error(bad_input) for a map that makes the text longer beyond all measure.
  std::string apply(std::string_view text) const;

 private:
  // What the first characters of a text become.
  struct Prefix {
    std::string_view text;
    size_t size;  // bytes that it was made from
  };
  Prefix prefix(std::string_view text) const;
  void find_copied_bytes();
  size_t copied_end(std::string_view text, size_t begin) const;
  void append(std::string_view text, std::string& to) const;

  const SentencePieceFile& file_;
  ByteTrie user_defined_;  // stay as they are
  std::string_view blank_;
  // Bytes that are copied where an ASCII character follows, or the text ends; without a map, wherever they are.
  std::array<bool, 256> is_copied_ = {};
};

}  // namespace sleb
