#include "sleb/base/staged_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ranges>

#include "sleb/base/error.h"
#include "sleb/base/written_into.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// 0, or the number of what went wrong. Where the file system can't rename without replacing, a look must do.
int rename_file(const fs::path& from, const fs::path& to, bool replace) {
  if (!replace) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(to, ignored))) return EEXIST;
  }
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

void sync(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) failed("{}: can't sync: {}", folder.string(), std::strerror(error));
}

}  // namespace

StagedFiles::StagedFiles(const fs::path& target) : staged_(target, true) {}

fs::path StagedFiles::final_path(const std::string& name) const {
  return staged_.path().parent_path() / name;
}

void StagedFiles::commit(const std::vector<std::string>& names, bool replace) {
  std::vector<fs::path> added;
  for (auto last = names.rbegin(); last != names.rend(); ++last) {  // clang 14 builds the fuzz targets without views
    const std::string& name = *last;
    const fs::path target = final_path(name);
    std::error_code ignored;
    const bool was_there = fs::exists(fs::symlink_status(target, ignored));
    // An empty file holds nothing that could be lost.
    const bool is_empty = fs::is_regular_file(target, ignored) && fs::file_size(target, ignored) == 0;
    keep_permissions(target, path(name));
    const int error = rename_file(path(name), target, replace || is_empty);
    if (error != 0) {
      for (const fs::path& file : added) fs::remove(file, ignored);
      failed("{}: can't write: {}", target.string(), std::strerror(error));
    }
    if (!was_there) added.push_back(target);
  }
  sync(staged_.path().parent_path());
}

}  // namespace sleb
