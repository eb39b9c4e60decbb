#include "sleb/text/model/unigram.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

constexpr double unknown_penalty = 10;  // an unknown character scores as much below the worst token
constexpr size_t longest_piece = std::numeric_limits<int32_t>::max();
constexpr size_t most_kept_nodes = size_t{1} << 20;
constexpr int32_t no_token = -1;

// A number as the tokenizers library reads it. Its JSON parser (serde_json, without the feature float_roundtrip) takes
// the digits as an integer and divides by a power of ten, and so is off by one unit in the last place for one number in
// ten. Where two spellings score alike but for rounding, that decides.
double as_library_reads(double number) {
  char text[40] = {};  // ends in a zero, for strtol
  const auto end = std::to_chars(text, text + sizeof text - 1, std::fabs(number), std::chars_format::scientific).ptr;
  uint64_t digits = 0;
  int exponent = 0;
  bool in_fraction = false;
  const char* c = text;
  for (; c != end && *c != 'e'; ++c) {
    if (*c == '.') {
      in_fraction = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(*c - '0');
    exponent -= in_fraction;
  }
  if (c != end) exponent += static_cast<int>(std::strtol(c + 1, nullptr, 10));
  double power = 1;
  const std::string spelled = fmt::format("1e{}", std::abs(exponent));
  if (std::from_chars(spelled.data(), spelled.data() + spelled.size(), power).ec != std::errc()) return number;
  const double read = exponent < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
  return std::copysign(read, number);
}

// The best spelling of the text up to a place in it.
struct Node {
  double score;
  int32_t begin;  // where the last token begins; no_token: no spelling yet
  int32_t id;     // of the last token

  bool improved_by(double other) const { return begin == no_token || other > score; }
};

}  // namespace

struct Unigram::Workspace {
  std::vector<Node> nodes;  // nodes[i]: for the first i bytes
  std::vector<Node> path;
  std::vector<int32_t> ids;  // of the piece encoded last
  PieceCache cache;

  // Not to hold on to what one long piece took.
  void release_memory() {
    if (nodes.capacity() <= most_kept_nodes) return;
    nodes = {};
    path = {};
    ids = {};
  }
};

Unigram::~Unigram() = default;

Unigram::Unigram(const JsonView& model) : place_(model.place()) {
  read_vocabulary(model.at("vocab"));
  if (const auto unknown = model.find("unk_id")) {
    unknown_id_ = static_cast<int32_t>(unknown->integer(0, static_cast<int64_t>(scores_.size()) - 1));
  }
  byte_fallback_ = model.boolean_or("byte_fallback", false);
}

void Unigram::read_vocabulary(const JsonView& list) {
  if (list.size() == 0) list.fail("the vocabulary is empty");
  if (list.size() > static_cast<size_t>(largest_token_id)) list.fail("the vocabulary is too long");
  scores_.reserve(list.size());
  texts_.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView entry = list.at(i);
    if (entry.size() != 2) entry.fail("expected a token and its score");
    const auto id = static_cast<int32_t>(i);
    texts_.push_back({id, vocabulary_.set(entry.at(0).string(), id)});
    scores_.push_back(as_library_reads(entry.at(1).number()));
  }
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - unknown_penalty;
  trie_ = ByteTrie(vocabulary_.short_tokens(list));
  byte_ids_ = byte_token_ids(vocabulary_);
}

int32_t Unigram::unknown_id() const {
  if (!unknown_id_) bad_input("{}: the text has a character that no token spells, and there is no unk_id", place_);
  return *unknown_id_;
}

void Unigram::encode(const Pieces& pieces, std::vector<int64_t>& ids) const {
  const WorkspacePool<Workspace>::Lease work(workspaces_);
  for (const Span& span : pieces.spans) {
    const std::string_view piece = pieces.piece(span);
    if (const auto known = (*work).cache.find(piece)) {
      ids.insert(ids.end(), known->begin(), known->end());
      continue;
    }
    encode_piece(piece, *work);
    ids.insert(ids.end(), (*work).ids.begin(), (*work).ids.end());
    (*work).cache.add(piece, (*work).ids);
  }
  (*work).release_memory();
}

// Unknown characters in a row count as one token, to which also the unknown token itself belongs where the text spells
// it: as the library does it.
void Unigram::encode_piece(std::string_view piece, Workspace& work) const {
  if (piece.size() > longest_piece) bad_input("{}: a piece of {} bytes is too long to encode", place_, piece.size());
  find_best_path(piece, work);
  work.path.clear();
  for (size_t end = piece.size(); end > 0; end = static_cast<size_t>(work.path.back().begin)) {
    work.path.push_back(work.nodes[end]);
  }
  work.ids.clear();
  for (size_t i = work.path.size(); i > 0; --i) {
    if (work.path[i - 1].id != unknown_id_) {
      work.ids.push_back(work.path[i - 1].id);
      continue;
    }
    const auto begin = static_cast<size_t>(work.path[i - 1].begin);
    while (i > 1 && work.path[i - 2].id == unknown_id_) --i;
    const size_t end = i > 1 ? static_cast<size_t>(work.path[i - 2].begin) : piece.size();
    spell_unknown(piece.substr(begin, end - begin), work.ids);
  }
}

void Unigram::spell_unknown(std::string_view text, std::vector<int32_t>& ids) const {
  if (const auto token = vocabulary_.find(text)) {
    ids.push_back(*token);
    return;
  }
  const size_t before = ids.size();
  bool all_bytes = byte_fallback_;
  for (size_t i = 0; all_bytes && i < text.size(); ++i) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(text[i])];
    all_bytes = id != no_token;
    ids.push_back(id);
  }
  if (all_bytes) return;
  ids.resize(before);
  ids.push_back(unknown_id());
}

// Viterbi. Of spellings that score alike, the one whose last token begins first is kept.
void Unigram::find_best_path(std::string_view piece, Workspace& work) const {
  work.nodes.assign(piece.size() + 1, Node{0, no_token, no_token});
  for (size_t begin = 0; begin < piece.size();) {
    const size_t next = begin + character_size(piece[begin]);
    const double score = work.nodes[begin].score;
    const auto here = static_cast<int32_t>(begin);
    bool has_single = false;  // a token of this one character
    int32_t node = ByteTrie::root;
    for (size_t i = begin; i < piece.size(); ++i) {
      node = trie_.child(node, piece[i]);
      if (node == ByteTrie::none) break;
      const int32_t id = trie_.number(node);
      if (id == ByteTrie::none) continue;
      const double with_token = scores_[static_cast<size_t>(id)] + score;
      if (work.nodes[i + 1].improved_by(with_token)) work.nodes[i + 1] = {with_token, here, id};
      has_single |= i + 1 == next;
    }
    const double with_unknown = unknown_score_ + score;
    if (!has_single && work.nodes[next].improved_by(with_unknown)) {
      work.nodes[next] = {with_unknown, here, unknown_id()};
    }
    begin = next;
  }
}

}  // namespace sleb
