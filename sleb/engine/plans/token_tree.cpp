#include "sleb/engine/plans/token_tree.h"

namespace sleb {

std::vector<int64_t> TokenTree::add(std::span<const int64_t> ids) {
  std::vector<int64_t> nodes;
  nodes.reserve(ids.size());
  int64_t parent = -1;
  for (const int64_t id : ids) {
    const auto [found, is_new] = children_.try_emplace({parent, id}, size());
    if (is_new) {
      ids_.push_back(id);
      parents_.push_back(parent);
      depths_.push_back(static_cast<int64_t>(nodes.size()));
    }
    parent = found->second;
    nodes.push_back(parent);
  }
  return nodes;
}

bool TokenTree::is_path() const {
  for (int64_t node = 0; node < size(); ++node) {
    if (parents_[static_cast<size_t>(node)] != node - 1) return false;
  }
  return true;
}

}  // namespace sleb
