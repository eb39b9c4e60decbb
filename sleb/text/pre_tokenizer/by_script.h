// Cutting where the writing system changes.
#pragma once

#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

namespace sleb {

// As SentencePiece does it ("split_by_unicode_script"): kana count as Han; blanks, and characters without a script,
// belong to what is before them. Those at the very beginning of a piece are dropped, as the tokenizers library does.
class ByScript : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override;
};

}  // namespace sleb
