#include "sleb/engine/decoder/staging_buffer.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

#include "sleb/engine/decoder/aten.h"

namespace sleb {

StagingBuffer::~StagingBuffer() {
  try {
    for (Piece& piece : pieces_) {
      if (piece.sent) piece.sent->synchronize();
    }
  } catch (const c10::Error&) {
    // The device has failed: whoever uses it next says so, and to free the memory would throw.
    for (Piece& piece : pieces_) piece.bytes.unsafeReleaseTensorImpl();
  }
}

void StagingBuffer::give_back_pinned_memory() {
  at::getHostAllocator(at::kCUDA)->empty_cache();
}

void StagingBuffer::copy(const at::Tensor& target, const at::Tensor& source) {
  const at::Tensor to = target.view(-1);
  const at::Tensor from = source.view(-1);
  const at::Device device = target.device();
  const int64_t piece_elements = piece_bytes_ / target.element_size();
  for (int64_t begin = 0; begin < to.numel(); begin += piece_elements) {
    Piece& piece = pieces_[next_];
    next_ = 1 - next_;
    if (piece.sent) piece.sent->synchronize();
    if (!piece.bytes.defined()) {
      piece.bytes = at::empty({piece_bytes_}, at::TensorOptions().dtype(at::kByte).pinned_memory(!device.is_cpu()));
    }
    const int64_t count = std::min(piece_elements, to.numel() - begin);
    const at::Tensor filled = piece.bytes.view(target.scalar_type()).narrow(0, 0, count);
    filled.copy_(from.narrow(0, begin, count));
    to.narrow(0, begin, count).copy_(filled, /*non_blocking=*/true);
    if (device.is_cpu()) continue;
    piece.sent.emplace(device.type());  // anew, as one event can't be of two devices
    piece.sent->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  }
}

}  // namespace sleb
