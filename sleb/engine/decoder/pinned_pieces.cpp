#include "sleb/engine/decoder/pinned_pieces.h"

#include <algorithm>

#include "sleb/engine/decoder/aten.h"

namespace sleb {

at::Tensor PinnedPieces::take(const at::Tensor& tensor) {
  const auto bytes = static_cast<int64_t>(tensor.nbytes());
  std::vector<at::Tensor>& free = free_[{tensor.device().index(), bytes}];
  if (free.empty()) {
    const int64_t count = static_cast<int64_t>(std::min(limit_ - taken_, slab_bytes_)) / bytes;
    if (count == 0) return {};
    const at::Tensor slab =
        at::empty({count, bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(!tensor.is_cpu()));
    taken_ += slab.nbytes();
    for (int64_t i = count; i > 0; --i) free.push_back(slab.select(0, i - 1));
  }
  const at::Tensor piece = free.back();
  free.pop_back();
  return piece.view(tensor.scalar_type()).view(tensor.sizes());
}

void PinnedPieces::give_back(const at::Tensor& piece, at::Device device) {
  free_[{device.index(), static_cast<int64_t>(piece.nbytes())}].push_back(piece.flatten().view(at::kByte));
}

}  // namespace sleb
