#include "sleb/text/sentencepiece/piece_bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <span>
#include <unordered_map>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

constexpr size_t longest_text = std::numeric_limits<int32_t>::max();
constexpr size_t most_kept_symbols = size_t{1} << 20;
constexpr int32_t none = -1;
constexpr char32_t no_character = 0xFFFFFFFF;

// Part of the text; all of them form a doubly linked list inside a vector.
struct Symbol {
  int32_t begin;  // in bytes
  int32_t size;   // 0 once joined to its left neighbour
  int32_t previous;
  int32_t next;
  int32_t id;   // of the piece that was made, or that is user-defined; none: a character
  bool frozen;  // never joined
};

// Two neighbours that may be joined.
struct Candidate {
  int32_t score;     // in the order of order_of()
  int32_t position;  // of the left symbol
  int32_t size;      // of both together; other, and one of them has been joined to something since
  int32_t id;        // of the piece that they spell
  bool operator<(const Candidate& other) const {
    return score != other.score ? score < other.score : position > other.position;
  }
};

// The bits of numbers put so that they are in order as integers; of the zeros, the negative one comes first.
int32_t order_of(float score) {
  const auto bits = std::bit_cast<int32_t>(score);
  return bits < 0 ? bits ^ std::numeric_limits<int32_t>::max() : bits;
}

struct Parts {
  std::string_view left, right;
};

}  // namespace

struct PieceBpe::Workspace {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<int32_t> ids;                     // of the part encoded last
  std::unordered_map<int32_t, Parts> parts_of;  // of unused pieces
  PieceCache cache;

  // Not to hold on to what one long text took.
  void release_memory() {
    if (symbols.capacity() <= most_kept_symbols) return;
    symbols = {};
    heap = {};
    ids = {};
  }
};

PieceBpe::~PieceBpe() = default;

PieceBpe::PieceBpe(const SentencePieceFile& file) : file_(file) {
  std::vector<std::pair<std::string_view, int32_t>> user_defined;
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    const SentencePiece& piece = file.pieces[i];
    if (!piece.in_text()) continue;
    const auto id = static_cast<int32_t>(i);
    has_unused_ |= piece.type == PieceType::unused;
    ids_.emplace(piece.text, id);
    longest_ = std::max(longest_, piece.text.size());
    if (piece.type == PieceType::user_defined) user_defined.emplace_back(piece.text, id);
    char32_t previous = no_character;
    for (size_t at = 0; at < piece.text.size(); at += character_size(piece.text[at])) {
      const char32_t character = first_character(std::string_view(piece.text).substr(at));
      if (previous != no_character) {
        neighbours_.insert_or_assign({static_cast<int32_t>(previous), static_cast<int32_t>(character)}, 1);
      }
      previous = character;
    }
  }
  has_user_defined_ = !user_defined.empty();
  user_defined_ = ByteTrie(std::move(user_defined));
}

size_t PieceBpe::user_defined_size(std::string_view text) const {
  if (!has_user_defined_) return 0;
  return user_defined_.longest_prefix(text);
}

void PieceBpe::encode(std::string_view text, std::vector<int64_t>& ids) const {
  if (text.size() > longest_text) bad_input("a text of {} bytes is too long to encode", text.size());
  const WorkspacePool<Workspace>::Lease lease(workspaces_);
  Workspace& work = *lease;
  const size_t first = ids.size();
  size_t begin = 0;
  char32_t previous = no_character;
  for (size_t i = 0; i < text.size() && !has_unused_;) {
    const size_t user_defined = user_defined_size(text.substr(i));
    const char32_t character = user_defined > 0 ? no_character : first_character(text.substr(i));
    const bool joined = previous != no_character && character != no_character &&
                        neighbours_.find({static_cast<int32_t>(previous), static_cast<int32_t>(character)});
    if (!joined && i > begin) {
      encode_part(text.substr(begin, i - begin), first, work, ids);
      begin = i;
    }
    previous = character;
    i += user_defined > 0 ? user_defined : character_size(text[i]);
  }
  encode_part(text.substr(begin), first, work, ids);
  work.release_memory();
}

// `first`: where in `ids` the text begins that this is a part of.
void PieceBpe::encode_part(std::string_view part, size_t first, Workspace& work, std::vector<int64_t>& ids) const {
  const auto append = [&](std::span<const int32_t> of_part) {
    const bool goes_on =
        !of_part.empty() && of_part[0] == file_.unknown_id && ids.size() > first && ids.back() == file_.unknown_id;
    ids.insert(ids.end(), of_part.begin() + goes_on, of_part.end());
  };
  if (const auto known = work.cache.find(part)) return append(*known);
  split(part, work);
  merge_all(part, work);
  work.ids.clear();
  for (const Symbol& symbol : work.symbols) {
    if (symbol.size > 0) {
      spell(part.substr(static_cast<size_t>(symbol.begin), static_cast<size_t>(symbol.size)), symbol.id, work);
    }
  }
  append(work.ids);
  if (!has_unused_) work.cache.add(part, work.ids);
}

void PieceBpe::split(std::string_view part, Workspace& work) const {
  work.symbols.clear();
  for (size_t i = 0; i < part.size();) {
    const size_t user_defined = user_defined_size(part.substr(i));
    const size_t size = user_defined > 0 ? user_defined : character_size(part[i]);
    const auto position = static_cast<int32_t>(work.symbols.size());
    work.symbols.push_back({.begin = static_cast<int32_t>(i),
                            .size = static_cast<int32_t>(size),
                            .previous = position - 1,
                            .next = i + size < part.size() ? position + 1 : none,
                            .id = user_defined > 0 ? ids_.find(part.substr(i, size))->second : none,
                            .frozen = user_defined > 0});
    i += size;
  }
}

// O(n log n): a heap holds the candidates, and those overtaken by others are dropped when popped.
void PieceBpe::merge_all(std::string_view part, Workspace& work) const {
  std::vector<Symbol>& symbols = work.symbols;
  std::vector<Candidate>& heap = work.heap;
  heap.clear();
  work.parts_of.clear();
  const auto text = [&](int32_t begin, int32_t size) {
    return part.substr(static_cast<size_t>(begin), static_cast<size_t>(size));
  };
  const auto consider = [&](int32_t position) {
    if (position == none || symbols[position].next == none) return;
    const Symbol& left = symbols[position];
    const Symbol& right = symbols[left.next];
    const int32_t size = left.size + right.size;
    if (left.frozen || right.frozen || static_cast<size_t>(size) > longest_) return;
    const auto found = ids_.find(text(left.begin, size));
    if (found == ids_.end()) return;
    const SentencePiece& piece = file_.pieces[static_cast<size_t>(found->second)];
    heap.push_back({order_of(piece.score), position, size, found->second});
    std::push_heap(heap.begin(), heap.end());
    if (piece.type == PieceType::unused) {
      work.parts_of[found->second] = {text(left.begin, left.size), text(right.begin, right.size)};
    }
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<int32_t>(i));
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.position];
    if (left.size == 0 || left.next == none) continue;
    Symbol& right = symbols[left.next];
    if (left.size + right.size != best.size) continue;
    left.size = best.size;
    left.id = best.id;
    left.next = right.next;
    right.size = 0;
    if (left.next != none) symbols[left.next].previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
}

// Appends the ids of one symbol. An unused piece is taken apart into what it was last joined from, anywhere in the
// text. NOLINTNEXTLINE(misc-no-recursion): every part is shorter, and pieces are of limited length
void PieceBpe::spell(std::string_view text, int32_t id, Workspace& work) const {
  if (id == none) {
    const auto found = ids_.find(text);
    if (found != ids_.end()) id = found->second;
  }
  if (id == none) return append_unknown(file_, text, work.ids, 0);
  if (file_.pieces[static_cast<size_t>(id)].type != PieceType::unused) return work.ids.push_back(id);
  const auto parts = work.parts_of.find(id);
  if (parts == work.parts_of.end()) return append_unknown(file_, text, work.ids, 0);
  const Parts of_piece = parts->second;
  spell(of_piece.left, none, work);
  spell(of_piece.right, none, work);
}

}  // namespace sleb
