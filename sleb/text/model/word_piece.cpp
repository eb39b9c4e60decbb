#include "sleb/text/model/word_piece.h"

#include <algorithm>

#include "sleb/base/error.h"

namespace sleb {

WordPiece::WordPiece(const JsonView& model)
    : place_(model.place()),
      vocabulary_(model.at("vocab")),
      trie_(vocabulary_.short_tokens(model.at("vocab"))),
      unknown_token_(model.at("unk_token").string()),
      longest_word_(model.at("max_input_chars_per_word").integer(0)) {
  continuing_root_ = ByteTrie::root;
  for (const char byte : model.at("continuing_subword_prefix").string()) {
    if (continuing_root_ != ByteTrie::none) continuing_root_ = trie_.child(continuing_root_, byte);
  }
}

void WordPiece::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  for (const Span& span : pieces.spans) {
    const size_t before = ids.size();
    if (encode_word(pieces.piece(span), ids)) continue;
    ids.resize(before);
    const auto unknown = vocabulary_.find(unknown_token_);
    if (!unknown) bad_input("{}: the vocabulary lacks unk_token {:?}", place_, unknown_token_);
    ids.push_back(*unknown);
  }
}

// False for a word that is too long, or that the vocabulary can't spell.
bool WordPiece::encode_word(std::string_view word, std::vector<int64_t>& ids) const {
  const auto begins_character = [](char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; };
  if (std::count_if(word.begin(), word.end(), begins_character) > longest_word_) return false;
  for (size_t begin = 0; begin < word.size();) {
    int32_t node = begin == 0 ? ByteTrie::root : continuing_root_;
    int32_t longest = ByteTrie::none;
    size_t end = begin;
    for (size_t i = begin; i < word.size() && node != ByteTrie::none; ++i) {
      node = trie_.child(node, word[i]);
      if (node == ByteTrie::none || trie_.number(node) == ByteTrie::none) continue;
      longest = trie_.number(node);
      end = i + 1;
    }
    if (longest == ByteTrie::none) return false;
    ids.push_back(longest);
    begin = end;
  }
  return true;
}

}  // namespace sleb
