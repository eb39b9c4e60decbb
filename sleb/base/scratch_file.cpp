#include "sleb/base/scratch_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/numbers.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Some file systems have no files without a name from the start (open(2), O_TMPFILE).
int open_nameless(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return descriptor;
  std::string name = (folder / ".sleb-scratch-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

ScratchFile::ScratchFile(const fs::path& folder, uint64_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const fs::path place = folder.empty() ? "." : folder;
  const int descriptor = open_nameless(place);
  int error = descriptor < 0 ? errno : ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  void* mapped = MAP_FAILED;
  if (error == 0) {
    mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED) error = errno;
  }
  if (descriptor >= 0) ::close(descriptor);
  if (error != 0) {
    failed("{}: can't hold {} for a while: {}; free the disk, or write to another", place.string(), format_bytes(bytes),
           std::strerror(error));
  }
  data_ = static_cast<std::byte*>(mapped);
}

ScratchFile::~ScratchFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace sleb
