// A set of strings, each with a number, that finds all those that a text begins with in one walk.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sleb {

class ByteTrie {
 public:
  static constexpr int32_t none = -1;
  static constexpr int32_t root = 0;

  ByteTrie() : ByteTrie(std::vector<std::pair<std::string_view, int32_t>>()) {}
  // `strings`: in any order, none twice; numbers are not negative.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> strings);

  // The node reached from `node` by one byte, or none.
  int32_t child(int32_t node, char byte) const {
    const Node& parent = nodes_[static_cast<size_t>(node)];
    if (parent.table != none) return tables_[static_cast<size_t>(parent.table)][static_cast<uint8_t>(byte)];
    for (int32_t i = parent.first_child; i < parent.first_child + parent.children; ++i) {
      if (nodes_[static_cast<size_t>(i)].label == byte) return i;
    }
    return none;
  }
  // Bytes of the longest string that `text` begins with, 0 if there is none.
  size_t longest_prefix(std::string_view text) const;
  // The number of the string that ends at a node, or none.
  int32_t number(int32_t node) const { return nodes_[static_cast<size_t>(node)].number; }

 private:
  struct Node {
    int32_t first_child = 0;  // the children of a node stand one after another
    int32_t number = none;
    int32_t table = none;  // of a node with many children
    int16_t children = 0;
    char label = 0;
  };

  void make_table(int32_t node);

  std::vector<Node> nodes_;
  std::vector<std::array<int32_t, 256>> tables_;  // children by byte
};

}  // namespace sleb
