// SentencePiece's way of showing blanks: as a visible character, "▁", at the beginning of words.
#pragma once

#include <memory>

#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

namespace sleb {

// Writes the replacement for every blank, and before pieces as `prepend_scheme` says: "always", "never", or "first":
// before the beginning of the whole input. Cuts before every replacement, unless "split" is off. Throws
// Error(bad_input).
std::unique_ptr<PreTokenizer> make_metaspace(const JsonView& component);

}  // namespace sleb
