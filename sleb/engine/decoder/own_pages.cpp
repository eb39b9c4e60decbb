#include "sleb/engine/decoder/own_pages.h"

#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <functional>
#include <numeric>

#include "sleb/engine/decoder/aten.h"

namespace sleb {

at::Tensor empty_on_own_pages(at::IntArrayRef sizes, const at::TensorOptions& options) {
  const int64_t elements = std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
  const size_t bytes = static_cast<size_t>(elements) * options.dtype().itemsize();
  if (!options.device().is_cpu() || bytes == 0) return at::empty(sizes, options);
  void* const pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TORCH_CHECK(pages != MAP_FAILED, "there is no memory for ", bytes, " bytes");
  return at::from_blob(
      pages, sizes, [bytes](void* memory) { ::munmap(memory, bytes); }, options);
}

}  // namespace sleb
