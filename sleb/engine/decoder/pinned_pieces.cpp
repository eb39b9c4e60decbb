#include "sleb/engine/decoder/pinned_pieces.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "sleb/engine/decoder/aten.h"

namespace sleb {

// None where the system pins no more: whoever asks can do without.
std::vector<at::Tensor> PinnedPieces::new_pieces(int64_t count, int64_t bytes, bool is_pinned) {
  std::vector<at::Tensor> pieces;
  try {
    const at::Tensor slab = at::empty({count, bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(is_pinned));
    taken_ += slab.nbytes();
    for (int64_t i = count; i > 0; --i) pieces.push_back(slab.select(0, i - 1));
  } catch (const c10::Error&) {
    limit_ = taken_;
  }
  return pieces;
}

at::Tensor PinnedPieces::take(const at::Tensor& tensor) {
  const auto bytes = static_cast<int64_t>(tensor.nbytes());
  std::vector<at::Tensor>& free = free_[{tensor.device().index(), bytes}];
  if (free.empty()) {
    const uint64_t wanted = std::max(slab_bytes_, static_cast<uint64_t>(bytes));
    const int64_t count = static_cast<int64_t>(std::min(limit_ - taken_, wanted)) / bytes;
    if (count > 0) free = new_pieces(count, bytes, !tensor.is_cpu());
    if (free.empty()) return {};
  }
  const at::Tensor piece = free.back();
  free.pop_back();
  return piece.view(tensor.scalar_type()).view(tensor.sizes());
}

void PinnedPieces::give_back(const at::Tensor& piece, at::Device device) {
  free_[{device.index(), static_cast<int64_t>(piece.nbytes())}].push_back(piece.flatten().view(at::kByte));
}

}  // namespace sleb
