#include "sleb/corpus/mixture.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace sleb {
namespace {

struct Segment {
  int64_t number, of;  // in its text
  size_t text;
};

// (2 i + 1) / (2 n), compared without rounding.
bool stands_before(const Segment& one, const Segment& other) {
  const int64_t own = (2 * one.number + 1) * other.of, others = (2 * other.number + 1) * one.of;
  return std::tie(own, one.text) < std::tie(others, other.text);
}

}  // namespace

Corpus mixed_corpus(std::vector<Corpus> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  std::vector<Segment> order;
  std::vector<std::string> names;
  for (size_t text = 0; text < parts.size(); ++text) {
    names.push_back(parts[text].name);
    for (int64_t i = 0; i < parts[text].segments; ++i) order.push_back({i, parts[text].segments, text});
  }
  std::ranges::sort(order, stands_before);
  const int64_t seqlen = parts.front().seqlen;
  std::vector<int64_t> ids;
  for (const Segment& segment : order) {
    const auto begin = parts[segment.text].ids.begin() + segment.number * seqlen;
    ids.insert(ids.end(), begin, begin + seqlen);
  }
  Corpus mixture = cut_segments(fmt::format("{}", fmt::join(names, ",")), std::move(ids), seqlen, {});
  mixture.parts = std::move(parts);
  return mixture;
}

std::vector<const Corpus*> self_texts_of(const Corpus& text) {
  std::vector<const Corpus*> texts;
  if (text.self_text) texts.push_back(&text);
  for (const Corpus& part : text.parts) {
    if (part.self_text) texts.push_back(&part);
  }
  return texts;
}

}  // namespace sleb
