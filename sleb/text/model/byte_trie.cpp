#include "sleb/text/model/byte_trie.h"

#include <algorithm>

namespace sleb {
namespace {

constexpr int16_t many_children = 12;  // to look through

// The strings [begin, end) of the sorted list, which begin with the same `depth` bytes: those of a node.
struct Branch {
  size_t begin, end, depth;
};

}  // namespace

// Level by level, so that the children of a node get consecutive places.
ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> strings) {
  std::sort(strings.begin(), strings.end());
  std::vector<Branch> branches = {{0, strings.size(), 0}};  // branches[i] belongs to nodes_[i]
  nodes_.emplace_back();
  for (size_t node = 0; node < nodes_.size(); ++node) {
    Branch branch = branches[node];
    nodes_[node].first_child = static_cast<int32_t>(nodes_.size());
    if (branch.begin < branch.end && strings[branch.begin].first.size() == branch.depth) {
      nodes_[node].number = strings[branch.begin++].second;
    }
    while (branch.begin < branch.end) {
      const char label = strings[branch.begin].first[branch.depth];
      size_t end = branch.begin;
      while (end < branch.end && strings[end].first[branch.depth] == label) ++end;
      branches.push_back({branch.begin, end, branch.depth + 1});
      Node& child = nodes_.emplace_back();
      child.label = label;
      ++nodes_[node].children;
      branch.begin = end;
    }
    if (node == root || nodes_[node].children >= many_children) make_table(static_cast<int32_t>(node));
  }
}

void ByteTrie::make_table(int32_t node) {
  Node& parent = nodes_[static_cast<size_t>(node)];
  parent.table = static_cast<int32_t>(tables_.size());
  tables_.emplace_back().fill(none);
  for (int32_t i = parent.first_child; i < parent.first_child + parent.children; ++i) {
    tables_.back()[static_cast<uint8_t>(nodes_[static_cast<size_t>(i)].label)] = i;
  }
}

size_t ByteTrie::longest_prefix(std::string_view text) const {
  size_t longest = 0;
  int32_t node = root;
  for (size_t i = 0; i < text.size(); ++i) {
    node = child(node, text[i]);
    if (node == none) break;
    if (number(node) != none) longest = i + 1;
  }
  return longest;
}

}  // namespace sleb
