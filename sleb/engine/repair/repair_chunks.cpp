#include "sleb/engine/repair/repair_chunks.h"

#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sleb/engine/repair/output_terms.h"
#include "sleb/engine/repair/repair.h"

namespace sleb {

std::vector<int64_t> computing_order(int64_t segments) {
  const int64_t count = held_out_segments(segments);
  std::vector<int64_t> fitted, held_out;
  for (int64_t i = 0; i < segments; ++i) {
    const bool is_held_out = (i + 1) * count / segments > i * count / segments;
    (is_held_out ? held_out : fitted).push_back(i);
  }
  fitted.insert(fitted.end(), held_out.begin(), held_out.end());
  return fitted;
}

std::vector<RepairChunk> repair_chunks(int64_t segments, int64_t at_once) {
  const int64_t fitted = segments - held_out_segments(segments);
  std::vector<RepairChunk> chunks;
  for (const auto& [from, to] : {std::pair(int64_t{0}, fitted), std::pair(fitted, segments)}) {
    for (int64_t begin = from; begin < to; begin += at_once) {
      chunks.push_back({begin, std::min(at_once, to - begin), from == fitted});
    }
  }
  return chunks;
}

void RelativeError::add(const at::Tensor& states, const at::Tensor& wanted) {
  sum_ += wanted.sub(states).mul_(token_weights(wanted)).square_().sum(at::kDouble).item<double>();
  tokens_ += wanted.size(0) * (wanted.size(1) - 1);
}

double RelativeError::value() const {
  return std::sqrt(sum_ / static_cast<double>(std::max<int64_t>(tokens_, 1)));
}

}  // namespace sleb
