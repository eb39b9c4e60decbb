// Memory for what stays while activations come and go.
#pragma once

#include <ATen/core/Tensor.h>

namespace sleb {

// An uninitialized tensor on pages of its own, which go back to the system as soon as it is freed; on a GPU, as
// at::empty makes it. Hidden states and weights on their way are made so: among the activations' memory, which malloc
// hands out again and again (FreedBlocks), they would leave holes that nothing fits.
// Throws c10::Error as at::empty does where there is no memory.
at::Tensor empty_on_own_pages(at::IntArrayRef sizes, const at::TensorOptions& options);

}  // namespace sleb
