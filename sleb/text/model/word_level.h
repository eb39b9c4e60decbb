// One token for every piece.
#pragma once

#include <string>

#include "sleb/text/model/token_model.h"

namespace sleb {

class WordLevel : public TokenModel {
 public:
  explicit WordLevel(const JsonView& model);

  std::string_view type() const override { return "WordLevel"; }
  int64_t token_count() const override { return static_cast<int64_t>(vocabulary_.size()); }
  std::vector<TokenText> tokens() const override { return vocabulary_.texts(); }
  std::optional<int64_t> id_of(std::string_view token) const override { return vocabulary_.find(token); }
  void encode(const Pieces& pieces, std::vector<int64_t>& ids) const override;

 private:
  std::string place_;
  Vocabulary vocabulary_;
  std::string unknown_token_;
};

}  // namespace sleb
