// The unigram language model (Kudo, arXiv 1804.10959): of all ways to spell a piece, the most probable.
#pragma once

#include <string>

#include "sleb/text/model/byte_trie.h"
#include "sleb/text/model/piece_cache.h"
#include "sleb/text/model/token_model.h"

namespace sleb {

class Unigram : public TokenModel {
 public:
  explicit Unigram(const JsonView& model);
  ~Unigram() override;

  std::string_view type() const override { return "Unigram"; }
  int64_t token_count() const override { return static_cast<int64_t>(scores_.size()); }
  std::vector<TokenText> tokens() const override { return texts_; }
  std::optional<int64_t> id_of(std::string_view token) const override { return vocabulary_.find(token); }
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  struct Workspace;

  void read_vocabulary(const JsonView& list);
  void encode_piece(std::string_view piece, Workspace& work) const;
  void find_best_path(std::string_view piece, Workspace& work) const;
  void spell_unknown(std::string_view text, std::vector<int32_t>& ids) const;
  int32_t unknown_id() const;

  std::string place_;
  Vocabulary vocabulary_;         // of tokens given twice, the last
  std::vector<TokenText> texts_;  // by id, those given twice too
  std::vector<double> scores_;    // log probabilities, by id
  double unknown_score_ = 0;
  ByteTrie trie_;
  std::array<int32_t, 256> byte_ids_ = {};
  std::optional<int32_t> unknown_id_;
  bool byte_fallback_ = false;

  mutable WorkspacePool<Workspace> workspaces_;
};

}  // namespace sleb
