#include "sleb/engine/decoder/own_pages.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "sleb/engine/decoder/aten.h"

namespace sleb {
namespace {

constexpr size_t least_bytes = size_t{128} << 10;

thread_local bool own_pages_wanted = false;

// libtorch's own allocator for all but what OwnPages asks for. Libraries below libtorch free by the pointer alone, so
// it has to know which is which.
class PagesAllocator : public c10::Allocator {
 public:
  static PagesAllocator& instance() {
    static auto* const allocator = new PagesAllocator;  // tensors may outlive whatever is destroyed at exit
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (!own_pages_wanted || bytes < least_bytes) {
      c10::DataPtr data = others_->allocate(bytes);
      void* const memory = data.release_context();
      return {memory, memory, &free_any, at::Device(at::kCPU)};
    }
    void* const pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK(pages != MAP_FAILED, "there is no memory for ", bytes, " bytes");
    const std::scoped_lock lock(mutex_);
    mapped_.emplace(pages, bytes);
    return {pages, pages, &free_any, at::Device(at::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &free_any; }
  void copy_data(void* target, const void* source, size_t bytes) const override { std::memcpy(target, source, bytes); }

 private:
  PagesAllocator() : others_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this); }

  static void free_any(void* memory) {
    PagesAllocator& self = instance();
    size_t bytes = 0;
    {
      const std::scoped_lock lock(self.mutex_);
      const auto found = self.mapped_.find(memory);
      if (found != self.mapped_.end()) {
        bytes = found->second;
        self.mapped_.erase(found);
      }
    }
    if (bytes > 0) {
      ::munmap(memory, bytes);
    } else {
      self.others_->raw_deallocate(memory);
    }
  }

  c10::Allocator* others_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> mapped_;
};

}  // namespace

OwnPages::OwnPages() : before_(std::exchange(own_pages_wanted, true)) {
  PagesAllocator::instance();
}
OwnPages::~OwnPages() {
  own_pages_wanted = before_;
}

at::Tensor empty_on_own_pages(at::IntArrayRef sizes, const at::TensorOptions& options) {
  const OwnPages scope;
  return at::empty(sizes, options);
}

}  // namespace sleb
