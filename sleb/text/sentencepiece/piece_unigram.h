// SentencePiece's unigram language model (Kudo, arXiv 1804.10959): of all ways to spell a text, the most probable.
#pragma once

#include <vector>

#include "sleb/text/model/byte_trie.h"
#include "sleb/text/model/piece_cache.h"
#include "sleb/text/sentencepiece/piece_segmenter.h"

namespace sleb {

// Scores are summed in float32 as the library does, version 0.2.3 (unigram_model.cc, Model::EncodeOptimized): in a long
// text two ways to spell a word often come to the same sum, or to one that rounding has turned round, and then that
// decides. So there is no cache of words: the ids of a word depend on what stands before it.
class PieceUnigram : public PieceSegmenter {
 public:
  // `file` outlives this.
  explicit PieceUnigram(const SentencePieceFile& file);
  ~PieceUnigram() override;

  void encode(std::string_view text, std::vector<int64_t>& ids) const override;

 private:
  struct Workspace;
  void find_best_path(std::string_view text, Workspace& work) const;

  const SentencePieceFile& file_;
  std::vector<float> scores_;  // by id
  float unknown_score_ = 0;
  size_t longest_ = 0;  // piece, in bytes
  ByteTrie trie_;

  mutable WorkspacePool<Workspace> workspaces_;
};

}  // namespace sleb
