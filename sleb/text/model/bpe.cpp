#include "sleb/text/model/bpe.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

constexpr size_t longest_uncut_piece = 64;  // bytes; shorter pieces are words already
constexpr size_t longest_word = std::numeric_limits<int32_t>::max();
constexpr size_t most_kept_symbols = size_t{1} << 20;
constexpr int32_t none = -1;

// A token in the making; the tokens of a piece form a doubly linked list inside a vector.
struct Symbol {
  int32_t id;  // none once merged into its left neighbour
  int32_t previous;
  int32_t next;
};

// A merge that may be done: the lowest rank first, then the leftmost.
struct Candidate {
  int32_t rank;
  int32_t position;  // of the left symbol
  int32_t id;        // of the token made
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

struct Parts {
  std::string_view left, right;
};

// A merge is written "left right" or ["left", "right"].
Parts parts_of(const JsonView& merge) {
  if (merge.is_array()) {
    if (merge.size() != 2) merge.fail("a merge has two tokens");
    return {merge.at(0).string(), merge.at(1).string()};
  }
  const std::string_view text = merge.string();
  const size_t blank = text.find(' ');
  if (blank == text.npos || text.find(' ', blank + 1) != text.npos) {
    merge.fail(fmt::format("the merge {:?} is not two tokens with a blank between them", text));
  }
  return {text.substr(0, blank), text.substr(blank + 1)};
}

void refuse_dropout(const JsonView& model) {
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0) {
    dropout->fail("BPE dropout makes ids random; it is for training and not supported");
  }
}

}  // namespace

struct Bpe::Workspace {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<int32_t> ids;  // of the part encoded last
  std::string spelling;      // of a character with its affixes
  std::vector<int32_t> byte_ids;
  PieceCache cache;

  void add_symbol(int32_t id) {
    const auto position = static_cast<int32_t>(symbols.size());
    if (position > 0) symbols.back().next = position;
    symbols.push_back({id, position - 1, none});
  }

  // Not to hold on to what one long piece took.
  void release_memory() {
    if (symbols.capacity() <= most_kept_symbols) return;
    symbols = {};
    heap = {};
    ids = {};
  }
};

Bpe::~Bpe() = default;

Bpe::Bpe(const JsonView& model)
    : place_(model.place()),
      vocabulary_(model.at("vocab")),
      character_ids_(vocabulary_),
      byte_ids_(byte_token_ids(vocabulary_)) {
  refuse_dropout(model);
  if (const auto unknown = model.find("unk_token")) unknown_token_ = unknown->string();
  continuing_subword_prefix_ = model.string_or("continuing_subword_prefix", "");
  end_of_word_suffix_ = model.string_or("end_of_word_suffix", "");
  fuse_unknown_ = model.boolean_or("fuse_unk", false);
  byte_fallback_ = model.boolean_or("byte_fallback", false);
  ignore_merges_ = model.boolean_or("ignore_merges", false);
  read_merges(model.at("merges"));
}

void Bpe::read_merges(const JsonView& merges) {
  merges_ = PairMap<Merge>(merges.size());
  std::vector<MergedPair> pairs;
  pairs.reserve(merges.size());
  int32_t rank = 0;
  std::string made;
  for (size_t i = 0; i < merges.size(); ++i) {
    const JsonView merge = merges.at(i);
    if (merge.is_string() && merge.string().starts_with("#version")) continue;
    const Parts parts = parts_of(merge);
    const auto id = [&](std::string_view token) {
      const auto found = vocabulary_.find(token);
      if (!found) {
        merge.fail(fmt::format("the merge of {:?} and {:?} needs the token {:?}, which the vocabulary lacks",
                               parts.left, parts.right, token));
      }
      return *found;
    };
    if (parts.right.size() < continuing_subword_prefix_.size()) {
      merge.fail(fmt::format("{:?} is shorter than the continuing_subword_prefix {:?}", parts.right,
                             continuing_subword_prefix_));
    }
    made = parts.left;
    made += parts.right.substr(continuing_subword_prefix_.size());
    pairs.push_back({id(parts.left), id(parts.right), id(made), made.size()});
    merges_.insert_or_assign({pairs.back().left, pairs.back().right}, Merge{rank++, pairs.back().made});
  }
  find_boundaries(std::move(pairs));
}

// With affixes a character's token depends on its place, and with ignore_merges a piece must be seen as a whole: then
// nothing is cut.
void Bpe::find_boundaries(std::vector<MergedPair> merges) {
  if (!continuing_subword_prefix_.empty() || !end_of_word_suffix_.empty() || ignore_merges_) return;
  std::vector<int32_t> initial;
  for (const auto& [token, id] : vocabulary_.tokens()) {
    if (token.empty()) return;  // could begin and end any token
    const bool one_character = character_size(token[0]) == token.size();
    const bool byte = byte_fallback_ && token.size() == 6 && token.starts_with("<0x");
    if (one_character || byte || token == unknown_token_) initial.push_back(id);
  }
  boundaries_ = MergeBoundaries(std::move(merges), initial);
}

void Bpe::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  const WorkspacePool<Workspace>::Lease work(workspaces_);
  for (const Span& span : pieces.spans) encode_piece(pieces.piece(span), *work, ids);
  (*work).release_memory();
}

void Bpe::encode_piece(std::string_view piece, Workspace& work, std::vector<int64_t>& ids) const {
  if (piece.size() <= longest_uncut_piece || !boundaries_.known()) {
    encode_part(piece, work, ids);
    return;
  }
  size_t begin = 0;
  int32_t previous = CharacterIds::none;
  for (size_t i = 0; i < piece.size();) {
    const size_t size = character_size(piece[i]);
    const int32_t id = character_ids_.find(piece.substr(i, size));
    // Next to a character that the vocabulary lacks nothing is cut: unknown characters may be fused.
    const bool known = previous != CharacterIds::none && id != CharacterIds::none;
    if (known && boundaries_.between(previous, id)) {
      encode_part(piece.substr(begin, i - begin), work, ids);
      begin = i;
    }
    previous = id;
    i += size;
  }
  encode_part(piece.substr(begin), work, ids);
}

// A piece, or a part of one that no merge joins to the others.
void Bpe::encode_part(std::string_view part, Workspace& work, std::vector<int64_t>& ids) const {
  if (const auto known = work.cache.find(part)) {
    ids.insert(ids.end(), known->begin(), known->end());
    return;
  }
  work.ids.clear();
  const auto whole = ignore_merges_ ? vocabulary_.find(part) : std::nullopt;
  if (whole) {
    work.ids.push_back(*whole);
  } else {
    if (part.size() > longest_word) bad_input("{}: a piece of {} bytes is too long to encode", place_, part.size());
    work.symbols.clear();
    spell(part, work);
    merge_all(work);
    for (const Symbol& symbol : work.symbols) {
      if (symbol.id != none) work.ids.push_back(symbol.id);
    }
  }
  ids.insert(ids.end(), work.ids.begin(), work.ids.end());
  work.cache.add(part, work.ids);
}

// The piece as tokens of one character each, with the affixes of the options. A character that the vocabulary lacks
// becomes its bytes' tokens, or the unknown token, or nothing: as the library does it, down to the unknown token that
// waits behind the bytes' tokens.
void Bpe::spell(std::string_view piece, Workspace& work) const {
  bool unknown_waits = false;
  const auto unknown_id = [&] {
    const auto found = vocabulary_.find(*unknown_token_);
    if (!found) bad_input("{}: the vocabulary lacks unk_token {:?}", place_, *unknown_token_);
    return *found;
  };
  for (size_t i = 0; i < piece.size();) {
    const std::string_view character = piece.substr(i, character_size(piece[i]));
    const bool first = i == 0;
    i += character.size();
    const bool last = i == piece.size();
    const int32_t id = id_of(character, first, last, work);
    if (id != none) {
      if (unknown_waits) work.add_symbol(unknown_id());
      unknown_waits = false;
      work.add_symbol(id);
    } else if (!(byte_fallback_ && spell_as_bytes(work.spelling, work)) && unknown_token_) {
      if (unknown_waits && !fuse_unknown_) work.add_symbol(unknown_id());
      unknown_waits = true;
    }
  }
  if (unknown_waits) work.add_symbol(unknown_id());
}

// The token of a character at a place in its piece; where there is none, `work.spelling` says what was looked for.
int32_t Bpe::id_of(std::string_view character, bool first, bool last, Workspace& work) const {
  const bool prefixed = !first && !continuing_subword_prefix_.empty();
  const bool suffixed = last && !end_of_word_suffix_.empty();
  if (!prefixed && !suffixed) {
    const int32_t id = character_ids_.find(character);
    if (id == none) work.spelling = character;
    return id;
  }
  work.spelling = prefixed ? continuing_subword_prefix_ : "";
  work.spelling += character;
  if (suffixed) work.spelling += end_of_word_suffix_;
  return vocabulary_.find(work.spelling).value_or(none);
}

bool Bpe::spell_as_bytes(std::string_view text, Workspace& work) const {
  std::vector<int32_t>& ids = work.byte_ids;
  ids.clear();
  for (const char byte : text) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id == none) return false;
    ids.push_back(id);
  }
  for (const int32_t id : ids) work.add_symbol(id);
  return true;
}

// Merges by rank in O(n log n): a heap holds the possible merges, and those overtaken by others are dropped when
// popped.
void Bpe::merge_all(Workspace& work) const {
  std::vector<Symbol>& symbols = work.symbols;
  std::vector<Candidate>& heap = work.heap;
  heap.clear();
  const auto consider = [&](int32_t position) {
    if (position == none || symbols[position].next == none) return;
    const Merge* merge = merges_.find({symbols[position].id, symbols[symbols[position].next].id});
    if (!merge) return;
    heap.push_back({merge->rank, position, merge->id});
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<int32_t>(i));
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.position];
    if (left.id == none || left.next == none) continue;
    Symbol& right = symbols[left.next];
    const Merge* merge = merges_.find({left.id, right.id});
    if (!merge || merge->id != best.id) continue;
    left.id = best.id;
    left.next = right.next;
    right.id = none;
    if (left.next != none) symbols[left.next].previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
}

}  // namespace sleb
