// Rewriting pieces, for pre-tokenizers that don't only cut.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

namespace sleb {

// Gives every piece a beginning of `prefix_of(piece, from_first)`, where `from_first` is whether the piece begins with
// what stems from the first character of the whole input, and goes on with what `append(out, piece)` makes of it.
// `append` looks at one character at a time.
template <typename PrefixOf, typename Append>
void rewrite_pieces(Pieces& pieces, size_t expected_size, const PrefixOf& prefix_of, const Append& append) {
  std::string text;
  text.reserve(expected_size);
  size_t from_first = 0;
  for (Span& span : pieces.spans) {
    const std::string_view piece = pieces.piece(span);
    const size_t begin = text.size();
    const size_t front = std::min(std::max(pieces.from_first, span.begin) - span.begin, piece.size());
    text += prefix_of(piece, front > 0);
    append(text, piece.substr(0, front));
    if (front > 0) from_first = text.size();
    append(text, piece.substr(front));
    span = {begin, text.size()};
  }
  pieces.text = std::move(text);
  pieces.from_first = from_first;
}

}  // namespace sleb
