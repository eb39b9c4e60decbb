// WordPiece (Schuster and Nakajima, "Japanese and Korean voice search"): the longest token first.
#pragma once

#include <string>

#include "sleb/text/model/byte_trie.h"
#include "sleb/text/model/token_model.h"

namespace sleb {

class WordPiece : public TokenModel {
 public:
  explicit WordPiece(const JsonView& model);

  std::string_view type() const override { return "WordPiece"; }
  int64_t token_count() const override { return static_cast<int64_t>(vocabulary_.size()); }
  std::vector<TokenText> tokens() const override { return vocabulary_.texts(); }
  std::optional<int64_t> id_of(std::string_view token) const override { return vocabulary_.find(token); }
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  bool encode_word(std::string_view word, std::vector<int64_t>& ids) const;

  std::string place_;
  Vocabulary vocabulary_;
  ByteTrie trie_;
  int32_t continuing_root_;  // the node at the end of the continuing_subword_prefix, or none
  std::string unknown_token_;
  int64_t longest_word_;  // characters
};

}  // namespace sleb
