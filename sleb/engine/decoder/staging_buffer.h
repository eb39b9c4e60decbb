// The way of weights from the machine's memory to a GPU.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <array>
#include <cstdint>
#include <optional>

namespace sleb {

// Two pieces of pinned memory, from which a GPU copies at full speed and beside its computations: one is filled by all
// threads while the other is on its way. They are all the pinned memory that a model's weights take.
class StagingBuffer {
 public:
  static constexpr int64_t default_piece_bytes = int64_t{64} << 20;

  // On the CPU the memory is not pinned and nothing is waited for.
  explicit StagingBuffer(int64_t piece_bytes = default_piece_bytes) : piece_bytes_(piece_bytes) {}
  // Waits, so that libtorch, which keeps pinned memory for the next to come, has none of it in use.
  ~StagingBuffer();
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;

  // Copies from the CPU into contiguous memory of as many elements on any device, converted to its type, in that
  // device's current stream. `source` is read when this returns, the copy may still be going on.
  void copy(const at::Tensor& target, const at::Tensor& source);

  // To the system, what libtorch keeps of all earlier ones.
  static void give_back_pinned_memory();

 private:
  struct Piece {
    at::Tensor bytes;
    std::optional<c10::Event> sent;
  };

  int64_t piece_bytes_;
  std::array<Piece, 2> pieces_;
  size_t next_ = 0;
};

}  // namespace sleb
