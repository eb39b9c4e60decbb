#include "sleb/text/sentencepiece/piece_unigram.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

constexpr float unknown_penalty = 10;  // an unknown character scores as much below the worst piece
// When the best sum so far falls below this, it is taken off all sums and counting begins anew, which changes how they
// are rounded.
constexpr float lowest_sum = -100000;
constexpr size_t longest_text = std::numeric_limits<int32_t>::max();
constexpr size_t most_kept_nodes = size_t{1} << 20;
constexpr int32_t none = -1;

// A user-defined piece wins against the same text in other pieces, whatever its own score is: those are below zero.
float user_defined_score(size_t bytes) {
  return static_cast<float>(static_cast<double>(bytes) * 0.1 - 0.1);
}

// The best spelling of the text up to a place in it.
struct Node {
  float score;
  int32_t begin;  // where the last piece begins; none: no spelling yet
  int32_t id;     // of the last piece
};

void improve(Node& node, float score, int32_t begin, int32_t id) {
  if (node.begin == none || score > node.score) node = {score, begin, id};
}

}  // namespace

struct PieceUnigram::Workspace {
  std::vector<Node> nodes;  // nodes[i]: for the first i bytes
  std::vector<Node> path;

  // Not to hold on to what one long text took.
  void release_memory() {
    if (nodes.capacity() <= most_kept_nodes) return;
    nodes = {};
    path = {};
  }
};

PieceUnigram::~PieceUnigram() = default;

PieceUnigram::PieceUnigram(const SentencePieceFile& file) : file_(file), scores_(file.pieces.size()) {
  std::vector<std::pair<std::string_view, int32_t>> texts;
  float worst = std::numeric_limits<float>::max();
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const SentencePiece& piece = file.pieces[id];
    scores_[id] = piece.type == PieceType::user_defined ? user_defined_score(piece.text.size()) : piece.score;
    if (piece.type == PieceType::normal) worst = std::min(worst, piece.score);
    if (!piece.in_text() || piece.type == PieceType::unused) continue;
    texts.emplace_back(piece.text, static_cast<int32_t>(id));
    longest_ = std::max(longest_, piece.text.size());
  }
  unknown_score_ = worst - unknown_penalty;
  trie_ = ByteTrie(std::move(texts));
}

void PieceUnigram::encode(std::string_view text, std::vector<int64_t>& ids) const {
  if (text.size() > longest_text) bad_input("a text of {} bytes is too long to encode", text.size());
  const WorkspacePool<Workspace>::Lease lease(workspaces_);
  Workspace& work = *lease;
  find_best_path(text, work);
  work.path.clear();
  for (size_t end = text.size(); end > 0; end = static_cast<size_t>(work.path.back().begin)) {
    work.path.push_back(work.nodes[end]);
  }
  const size_t first = ids.size();
  size_t end = 0;
  for (size_t i = work.path.size(); i > 0; --i) {
    const Node& node = work.path[i - 1];
    const auto begin = static_cast<size_t>(node.begin);
    end = i > 1 ? static_cast<size_t>(work.path[i - 2].begin) : text.size();
    if (node.id == file_.unknown_id) {
      append_unknown(file_, text.substr(begin, end - begin), ids, first);
    } else {
      ids.push_back(node.id);
    }
  }
  work.release_memory();
}

// Viterbi. Of spellings of the same sum, the one whose last piece begins first is kept.
void PieceUnigram::find_best_path(std::string_view text, Workspace& work) const {
  std::vector<Node>& nodes = work.nodes;
  nodes.assign(text.size() + 1, Node{0, none, none});
  for (size_t begin = 0; begin < text.size();) {
    const size_t next = begin + character_size(text[begin]);
    if (const float sum = nodes[begin].score; sum < lowest_sum) {
      for (size_t i = begin; i <= std::min(begin + longest_, text.size()); ++i) nodes[i].score -= sum;
    }
    const float score = nodes[begin].score;
    const auto here = static_cast<int32_t>(begin);
    bool has_single = false;  // a piece of this one character
    int32_t place = ByteTrie::root;
    for (size_t i = begin; i < text.size(); ++i) {
      place = trie_.child(place, text[i]);
      if (place == ByteTrie::none) break;
      const int32_t id = trie_.number(place);
      if (id == ByteTrie::none) continue;
      improve(nodes[i + 1], scores_[static_cast<size_t>(id)] + score, here, id);
      has_single |= i + 1 == next;
    }
    if (!has_single) improve(nodes[next], unknown_score_ + score, here, file_.unknown_id);
    begin = next;
  }
}

}  // namespace sleb
