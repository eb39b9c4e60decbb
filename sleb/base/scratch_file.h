// Memory for what does not fit into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace sleb {

// A file without a name, mapped: the system writes its pages to the disk when it needs their memory. However the
// program ends, nothing is left of it.
class ScratchFile {
 public:
  // In `folder`, with room for `bytes`, all zero. Throws Error(failed) if the disk does not have it.
  ScratchFile(const std::filesystem::path& folder, uint64_t bytes);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&&) = delete;

  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sleb
