// A repair's text in parts, and how far states on it are from what they should be. Inside this room only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace sleb {

// The text's segments in the order in which they are computed: those that are held out, spread evenly, come last.
std::vector<int64_t> computing_order(int64_t segments);

// Segments that are computed at once, all fitted or all held out.
struct RepairChunk {
  int64_t begin;  // in the order of computing
  int64_t segments;
  bool is_held_out;
};
std::vector<RepairChunk> repair_chunks(int64_t segments, int64_t at_once);

// The root of the mean over tokens of |wanted - state|^2 / |wanted|^2, a segment's first token left out.
class RelativeError {
 public:
  // Of whole segments, float32 [batch, tokens, hidden].
  void add(const at::Tensor& states, const at::Tensor& wanted);
  double value() const;

 private:
  double sum_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace sleb
