// GPT-2's way of showing bytes to a model that reads characters.
#pragma once

#include <memory>

#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

namespace sleb {

// Writes every byte as one printable character (unicode/byte_characters.h).
class ByteLevel : public PreTokenizer {
 public:
  // `use_regex`: cut with GPT-2's pattern first. `add_prefix_space`: begin every piece with a blank.
  ByteLevel(bool add_prefix_space, bool use_regex);
  void apply(Pieces& pieces) const override;

 private:
  const bool add_prefix_space_;
  const std::unique_ptr<PreTokenizer> split_;  // null without use_regex
};

}  // namespace sleb
