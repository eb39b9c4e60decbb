// Token sequences as a tree: what several of them have in common in front is there once.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace sleb {

class TokenTree {
 public:
  // The node of each id. A node's parent comes before it, so the order of nodes is one in which they can be computed.
  std::vector<int64_t> add(std::span<const int64_t> ids);

  int64_t size() const { return static_cast<int64_t>(ids_.size()); }
  const std::vector<int64_t>& ids() const { return ids_; }          // [nodes]
  const std::vector<int64_t>& parents() const { return parents_; }  // [nodes]; -1: a first token
  const std::vector<int64_t>& depths() const { return depths_; }    // [nodes]; the position in the sequence
  // It is a single sequence: every node follows the one before it.
  bool is_path() const;

 private:
  std::vector<int64_t> ids_, parents_, depths_;
  std::map<std::pair<int64_t, int64_t>, int64_t> children_;  // (parent, id) -> node
};

}  // namespace sleb
