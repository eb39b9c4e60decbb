// Memory for what stays while activations come and go.
#pragma once

#include <ATen/core/Tensor.h>

namespace sleb {

// While it lives, what this thread's operators allocate on the CPU in pieces from 128 KiB on stands on pages of its
// own, which go back to the system as soon as they are freed. Weights and hidden states are made so: among the
// activations' memory, which malloc hands out again and again (FreedBlocks), and in malloc's rooms for threads that
// load, they would leave holes that nothing fits.
class OwnPages {
 public:
  OwnPages();
  ~OwnPages();
  OwnPages(const OwnPages&) = delete;
  OwnPages& operator=(const OwnPages&) = delete;

 private:
  bool before_;
};

// at::empty on pages of its own; on a GPU, just that.
at::Tensor empty_on_own_pages(at::IntArrayRef sizes, const at::TensorOptions& options);

}  // namespace sleb
