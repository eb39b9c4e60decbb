#include "sleb/text/model/bpe.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/text/unicode/utf8.h"

namespace sleb {
namespace {

constexpr size_t longest_cached_piece = 256;  // bytes
constexpr size_t most_cached_pieces = size_t{1} << 16;
constexpr size_t longest_piece = std::numeric_limits<int32_t>::max();
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

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

struct TokenPair {
  std::string_view left, right;
};

// A merge is written "left right" or ["left", "right"].
TokenPair token_pair(const JsonView& merge) {
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

// Options that change what the model computes and are not implemented: refused unless they are off.
void refuse_unsupported(const JsonView& model) {
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0) {
    dropout->fail("BPE dropout makes ids random; it is for training and not supported");
  }
  for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto value = model.find(option);
    if (value && !value->string().empty()) value->fail("this option of BPE is not supported");
  }
}

}  // namespace

struct Bpe::Workspace {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<int32_t> ids;  // of the piece encoded last

  // Pieces met before: where in cached_ids their ids are. Full, it stays as it is: frequent pieces come early.
  struct Entry {
    size_t begin, count;
  };
  std::unordered_map<std::string, Entry, StringHash, std::equal_to<>> cache;
  std::vector<int32_t> cached_ids;

  void add_symbol(int32_t id) {
    const auto position = static_cast<int32_t>(symbols.size());
    if (position > 0) symbols.back().next = position;
    symbols.push_back({id, position - 1, none});
  }
};

Bpe::~Bpe() = default;

Bpe::Bpe(const JsonView& model) : place_(model.place()) {
  refuse_unsupported(model);
  if (const auto unknown = model.find("unk_token")) unknown_token_ = unknown->string();
  fuse_unknown_ = model.boolean_or("fuse_unk", false);
  byte_fallback_ = model.boolean_or("byte_fallback", false);
  ignore_merges_ = model.boolean_or("ignore_merges", false);
  read_vocabulary(model.at("vocab"));
  read_merges(model.at("merges"));
}

void Bpe::read_vocabulary(const JsonView& vocabulary) {
  if (!vocabulary.is_object()) vocabulary.fail("expected an object");
  if (vocabulary.raw().empty()) vocabulary.fail("is empty");
  vocabulary_.reserve(vocabulary.raw().size());
  for (const auto& [token, id] : vocabulary.raw().items()) {
    const bool in_range = id.is_number_integer() && id >= 0 && id <= largest_token_id;
    if (!in_range) vocabulary.fail(fmt::format("the id of {:?} is not a number from 0 to {}", token, largest_token_id));
    vocabulary_.emplace(token, id.get<int32_t>());
  }
}

void Bpe::read_merges(const JsonView& merges) {
  merges_.reserve(merges.size());
  int32_t rank = 0;
  for (size_t i = 0; i < merges.size(); ++i) {
    const JsonView merge = merges.at(i);
    if (merge.is_string() && merge.string().starts_with("#version")) continue;
    const TokenPair pair = token_pair(merge);
    const auto id = [&](std::string_view token) {
      const auto found = vocabulary_.find(token);
      if (found == vocabulary_.end()) {
        merge.fail(fmt::format("the merge of {:?} and {:?} needs the token {:?}, which the vocabulary lacks", pair.left,
                               pair.right, token));
      }
      return found->second;
    };
    const auto key = pair_key(id(pair.left), id(pair.right));
    merges_.insert_or_assign(key, Merge{rank++, id(std::string(pair.left) + std::string(pair.right))});
  }
}

std::vector<int64_t> Bpe::ids() const {
  std::vector<int64_t> ids;
  ids.reserve(vocabulary_.size());
  for (const auto& [token, id] : vocabulary_) ids.push_back(id);
  return ids;
}

std::optional<int64_t> Bpe::id_of(std::string_view token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return {};
  return found->second;
}

const Bpe::Merge* Bpe::merge_of(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  std::unique_ptr<Workspace> work;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      work = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!work) work = std::make_unique<Workspace>();
  for (const Span& span : pieces.spans) {
    const std::string_view piece = pieces.piece(span);
    if (const auto known = work->cache.find(piece); known != work->cache.end()) {
      const auto begin = work->cached_ids.begin() + static_cast<std::ptrdiff_t>(known->second.begin);
      ids.insert(ids.end(), begin, begin + static_cast<std::ptrdiff_t>(known->second.count));
      continue;
    }
    encode_piece(piece, *work);
    ids.insert(ids.end(), work->ids.begin(), work->ids.end());
    if (piece.size() <= longest_cached_piece && work->cache.size() < most_cached_pieces) {
      work->cache.emplace(piece, Workspace::Entry{work->cached_ids.size(), work->ids.size()});
      work->cached_ids.insert(work->cached_ids.end(), work->ids.begin(), work->ids.end());
    }
  }
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(work));
}

void Bpe::encode_piece(std::string_view piece, Workspace& work) const {
  work.ids.clear();
  if (ignore_merges_) {
    if (const auto whole = vocabulary_.find(piece); whole != vocabulary_.end()) {
      work.ids.push_back(whole->second);
      return;
    }
  }
  if (piece.size() > longest_piece) bad_input("{}: a piece of {} bytes is too long", place_, piece.size());
  work.symbols.clear();
  spell(piece, work);
  merge_all(work);
  for (const Symbol& symbol : work.symbols) {
    if (symbol.id != none) work.ids.push_back(symbol.id);
  }
}

// The piece as tokens of one character each. A character that the vocabulary lacks becomes its bytes' tokens, or the
// unknown token, or nothing: as the library does it, down to the unknown token that waits behind the bytes' tokens.
void Bpe::spell(std::string_view piece, Workspace& work) const {
  bool unknown_waits = false;
  const auto unknown_id = [&] {
    const auto found = vocabulary_.find(*unknown_token_);
    if (found == vocabulary_.end()) bad_input("{}: the vocabulary lacks unk_token {:?}", place_, *unknown_token_);
    return found->second;
  };
  for (size_t i = 0; i < piece.size();) {
    const std::string_view character = piece.substr(i, character_size(piece[i]));
    i += character.size();
    if (const auto known = vocabulary_.find(character); known != vocabulary_.end()) {
      if (unknown_waits) work.add_symbol(unknown_id());
      unknown_waits = false;
      work.add_symbol(known->second);
    } else if (!(byte_fallback_ && spell_as_bytes(character, work)) && unknown_token_) {
      if (unknown_waits && !fuse_unknown_) work.add_symbol(unknown_id());
      unknown_waits = true;
    }
  }
  if (unknown_waits) work.add_symbol(unknown_id());
}

bool Bpe::spell_as_bytes(std::string_view character, Workspace& work) const {
  int32_t ids[4];
  for (size_t i = 0; i < character.size(); ++i) {
    const auto found = vocabulary_.find(fmt::format("<0x{:02X}>", static_cast<uint8_t>(character[i])));
    if (found == vocabulary_.end()) return false;
    ids[i] = found->second;
  }
  for (size_t i = 0; i < character.size(); ++i) work.add_symbol(ids[i]);
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
    const Merge* merge = merge_of(symbols[position].id, symbols[symbols[position].next].id);
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
    const Merge* merge = merge_of(left.id, right.id);
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
