// Pinned memory for many tensors of a few sizes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace sleb {

// The system pins one large piece several times as fast as many small ones (2.7 GB/s one by one, 7.9 GB/s in one by
// eight threads, docs/benchmarks.md), and a GPU waits meanwhile. So a slab is pinned and cut into pieces of one size;
// pieces that are given back are handed out again and none is freed before all.
class PinnedPieces {
 public:
  // At most so many bytes, in slabs of `slab_bytes` or, where that is more, of one piece.
  explicit PinnedPieces(uint64_t limit, uint64_t slab_bytes = uint64_t{1} << 30)
      : limit_(limit), slab_bytes_(slab_bytes) {}

  // Like `tensor`, without its values; undefined where there is no room. Of a tensor on the CPU it is not pinned.
  at::Tensor take(const at::Tensor& tensor);
  // What take() gave for a tensor of that device. For another one of it the memory may be taken again at once: what
  // still copies has to do so in the device's stream, as the next will.
  void give_back(const at::Tensor& piece, at::Device device);

 private:
  std::vector<at::Tensor> new_pieces(int64_t count, int64_t bytes, bool is_pinned);

  uint64_t limit_, slab_bytes_;
  uint64_t taken_ = 0;                                                           // bytes of all slabs
  std::map<std::pair<at::DeviceIndex, int64_t>, std::vector<at::Tensor>> free_;  // by device and bytes
};

}  // namespace sleb
