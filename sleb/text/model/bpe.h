// Byte-pair encoding (Sennrich et al., arXiv 1508.07909), with the options of the tokenizers library.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "sleb/text/model/token_model.h"

namespace sleb {

class Bpe : public TokenModel {
 public:
  explicit Bpe(const JsonView& model);
  ~Bpe() override;

  std::string_view type() const override { return "BPE"; }
  int64_t token_count() const override { return static_cast<int64_t>(vocabulary_.size()); }
  std::vector<int64_t> ids() const override;
  std::optional<int64_t> id_of(std::string_view token) const override;
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  struct Merge {
    int32_t rank;
    int32_t id;  // of the token made
  };
  struct Workspace;
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct PairHash {
    size_t operator()(uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15u) >> 20; }
  };

  void read_vocabulary(const JsonView& vocabulary);
  void read_merges(const JsonView& merges);
  const Merge* merge_of(int32_t left, int32_t right) const;
  void encode_piece(std::string_view piece, Workspace& work) const;
  void spell(std::string_view piece, Workspace& work) const;
  bool spell_as_bytes(std::string_view character, Workspace& work) const;
  void merge_all(Workspace& work) const;

  std::string place_;
  std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>> vocabulary_;
  std::unordered_map<uint64_t, Merge, PairHash> merges_;
  std::optional<std::string> unknown_token_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;

  // One workspace, with its cache of pieces, per call of encode() at a time.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace sleb
