#include "sleb/text/pre_tokenizer/split.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

namespace sleb {

SplitBehavior split_behavior(const JsonView& name) {
  static const std::unordered_map<std::string, SplitBehavior> behaviors = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous}};
  const auto found = behaviors.find(name.string());
  if (found == behaviors.end()) name.fail(fmt::format("the split behavior {:?} is not supported", name.string()));
  return found->second;
}

void Split::apply(Pieces& pieces) const {
  std::vector<Span> spans;
  spans.reserve(pieces.spans.size() + pieces.text.size() / 4);
  std::vector<Span> matches;
  std::vector<Part> parts;
  for (const Span& piece : pieces.spans) {
    matches.clear();
    parts.clear();
    find_(pieces.piece(piece), matches);
    size_t done = piece.begin;
    for (const Span& match : matches) {
      const Span found{piece.begin + match.begin, piece.begin + match.end};
      if (done != found.begin) parts.push_back({{done, found.begin}, invert_});
      parts.push_back({found, !invert_});
      done = found.end;
    }
    if (done != piece.end) parts.push_back({{done, piece.end}, invert_});
    cut(parts, spans);
  }
  pieces.spans = std::move(spans);
}

// Turns the parts of one piece into new pieces, as tokenizers' NormalizedString::split does. In the merging behaviors
// only the first of several delimiters in a row is merged.
void Split::cut(std::vector<Part>& parts, std::vector<Span>& spans) const {
  const size_t first = spans.size();
  const bool backwards = behavior_ == SplitBehavior::merged_with_next;
  if (backwards) std::reverse(parts.begin(), parts.end());
  bool previous = false;  // whether the part before was a delimiter
  const auto belongs_to_last = [&](bool delimiter) {
    switch (behavior_) {
      case SplitBehavior::contiguous:
        return delimiter == previous;
      case SplitBehavior::merged_with_previous:
      case SplitBehavior::merged_with_next:
        return delimiter && !previous;
      default:
        return false;
    }
  };
  for (const Part& part : parts) {
    if (part.delimiter && behavior_ == SplitBehavior::removed) continue;
    const bool merge = spans.size() > first && belongs_to_last(part.delimiter);
    previous = part.delimiter;
    if (!merge) {
      spans.push_back(part.span);
    } else if (backwards) {
      spans.back().begin = part.span.begin;
    } else {
      spans.back().end = part.span.end;
    }
  }
  if (backwards) std::reverse(spans.begin() + static_cast<std::ptrdiff_t>(first), spans.end());
  const auto empty = std::remove_if(spans.begin() + static_cast<std::ptrdiff_t>(first), spans.end(),
                                    [](const Span& span) { return span.empty(); });
  spans.erase(empty, spans.end());
}

}  // namespace sleb
