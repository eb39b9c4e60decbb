#include "sleb/text/model/merge_boundaries.h"

#include <algorithm>
#include <unordered_map>

#include "sleb/base/utf8.h"

namespace sleb {
namespace {

// A token ends in as many different initial tokens as there are ways to make it: one or two. A vocabulary made to have
// many gets no boundaries.
constexpr size_t most_ends = 8;

using Ids = std::vector<int32_t>;
using Ends = std::unordered_map<int32_t, Ids>;

void insert(Ids& into, const Ids& ids) {
  for (const int32_t id : ids) {
    if (std::find(into.begin(), into.end(), id) == into.end()) into.push_back(id);
  }
}

}  // namespace

CharacterIds::CharacterIds(const Vocabulary& vocabulary) : table_(table_size, none) {
  for (const auto& [token, id] : vocabulary.tokens()) {
    if (token.empty() || character_size(token[0]) != token.size()) continue;
    const char32_t character = first_character(token);
    if (character < table_size) {
      table_[character] = id;
    } else {
      others_.emplace(token, id);
    }
  }
}

int32_t CharacterIds::find(std::string_view character) const {
  const char32_t code = first_character(character);
  if (code < table_size) return table_[code];
  const auto found = others_.find(character);
  return found == others_.end() ? none : found->second;
}

MergeBoundaries::MergeBoundaries(std::vector<MergedPair> merges, const Ids& initial) {
  // In order of length, the parts of a merge have all their ends before the merge is looked at.
  std::stable_sort(merges.begin(), merges.end(), [](const auto& a, const auto& b) { return a.length < b.length; });
  Ends firsts, lasts;
  for (const int32_t id : initial) firsts[id] = lasts[id] = {id};
  for (const MergedPair& merge : merges) {
    const Ids last_of_left = lasts[merge.left];
    const Ids first_of_right = firsts[merge.right];
    for (const int32_t left : last_of_left) {
      for (const int32_t right : first_of_right) joined_.insert_or_assign({left, right}, 1);
    }
    insert(firsts[merge.made], Ids(firsts[merge.left]));
    insert(lasts[merge.made], Ids(lasts[merge.right]));
    if (firsts[merge.made].size() > most_ends || lasts[merge.made].size() > most_ends) return;
  }
  known_ = true;
}

}  // namespace sleb
