// SentencePiece's byte-pair encoding (Sennrich et al., arXiv 1508.07909): of all neighbours that together spell a
// piece, those that spell the one of the highest score are joined, the leftmost first (bpe_model.cc,
// Model::SampleEncode).
#pragma once

#include "sleb/text/model/byte_trie.h"
#include "sleb/text/model/pair_map.h"
#include "sleb/text/model/piece_cache.h"
#include "sleb/text/sentencepiece/piece_segmenter.h"

namespace sleb {

class PieceBpe : public PieceSegmenter {
 public:
  // `file` outlives this.
  explicit PieceBpe(const SentencePieceFile& file);
  ~PieceBpe() override;

  void encode(std::string_view text, std::vector<int64_t>& ids) const override;

 private:
  struct Workspace;

  void encode_part(std::string_view part, size_t first, Workspace& work, std::vector<int64_t>& ids) const;
  void split(std::string_view part, Workspace& work) const;
  void merge_all(std::string_view part, Workspace& work) const;
  void spell(std::string_view text, int32_t id, Workspace& work) const;
  // The longest user-defined piece that `text` begins with: its size, or 0.
  size_t user_defined_size(std::string_view text) const;

  const SentencePieceFile& file_;
  StringMap<int32_t> ids_;  // of pieces that text can spell
  ByteTrie user_defined_;
  // Neighbours in any piece. A text can be cut between other characters: what is joined on the one side is independent
  // of the other. Most vocabularies have no piece that crosses the beginning of a word, and short parts recur.
  PairMap<char> neighbours_;
  size_t longest_ = 0;  // piece, in bytes
  bool has_user_defined_ = false;
  bool has_unused_ = false;

  mutable WorkspacePool<Workspace> workspaces_;
};

}  // namespace sleb
