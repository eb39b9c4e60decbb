// Byte-pair encoding (Sennrich et al., arXiv 1508.07909), with the options of the tokenizers library.
#pragma once

#include <array>
#include <string>

#include "sleb/text/model/merge_boundaries.h"
#include "sleb/text/model/pair_map.h"
#include "sleb/text/model/piece_cache.h"
#include "sleb/text/model/token_model.h"

namespace sleb {

class Bpe : public TokenModel {
 public:
  explicit Bpe(const JsonView& model);
  ~Bpe() override;

  std::string_view type() const override { return "BPE"; }
  int64_t token_count() const override { return static_cast<int64_t>(vocabulary_.size()); }
  std::vector<TokenText> tokens() const override { return vocabulary_.texts(); }
  std::optional<int64_t> id_of(std::string_view token) const override { return vocabulary_.find(token); }
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  struct Merge {
    int32_t rank;
    int32_t id;  // of the token made
  };
  struct Workspace;

  void read_merges(const JsonView& merges);
  void find_boundaries(std::vector<MergedPair> merges);
  void encode_piece(std::string_view piece, Workspace& work, std::vector<int64_t>& ids) const;
  void encode_part(std::string_view part, Workspace& work, std::vector<int64_t>& ids) const;
  void spell(std::string_view piece, Workspace& work) const;
  int32_t id_of(std::string_view character, bool first, bool last, Workspace& work) const;
  bool spell_as_bytes(std::string_view text, Workspace& work) const;
  void merge_all(Workspace& work) const;

  std::string place_;
  Vocabulary vocabulary_;
  CharacterIds character_ids_;
  std::array<int32_t, 256> byte_ids_;
  PairMap<Merge> merges_;
  MergeBoundaries boundaries_;
  std::optional<std::string> unknown_token_;
  std::string continuing_subword_prefix_;  // before every character of a piece but the first
  std::string end_of_word_suffix_;         // behind the last character of a piece
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;

  mutable WorkspacePool<Workspace> workspaces_;
};

}  // namespace sleb
