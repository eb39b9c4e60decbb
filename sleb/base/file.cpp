#include "sleb/base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/written_into.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

std::string why(int error) {
  return std::strerror(error);
}

// Closes on scope exit.
struct Descriptor {
  int value;
  explicit Descriptor(int opened) : value(opened) {}
  Descriptor(Descriptor&& other) noexcept : value(std::exchange(other.value, -1)) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

Descriptor open_to_read(const fs::path& path, struct stat& status) {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0) bad_input("{}: can't open: {}", path.string(), why(errno));
  if (::fstat(file.value, &status) != 0) bad_input("{}: can't read: {}", path.string(), why(errno));
  if (!S_ISREG(status.st_mode)) bad_input("{}: not a regular file", path.string());
  return file;
}

// What a clone without Git LFS leaves in a large file's place (git-lfs, docs/spec.md).
void refuse_lfs_pointer(std::string_view content, const fs::path& path) {
  if (!content.starts_with("version https://git-lfs.github.com/spec/")) return;
  bad_input("{}: a Git LFS pointer and not the file itself; run git lfs pull in its folder", path.string());
}

void sync_folder(const fs::path& folder) {
  const Descriptor file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (file.value < 0 || ::fsync(file.value) != 0) failed("{}: can't sync: {}", folder.string(), why(errno));
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// "out/model/" and "out/model" are the same target, and "." has a name and a parent too. ".." is taken from where a
// link before it leads, as the system does; only the last name's own link is kept.
fs::path plain_path(const fs::path& path) {
  const fs::path absolute = fs::absolute(path);
  const fs::path named = absolute.has_filename() ? absolute : absolute.parent_path();
  std::error_code error;
  const bool has_name = named.has_filename() && named.filename() != "." && named.filename() != "..";
  fs::path plain = has_name ? fs::weakly_canonical(named.parent_path(), error) / named.filename()
                            : fs::weakly_canonical(named, error);
  if (error) bad_input("{}: can't write there: {}", path.string(), error.message());
  return plain;
}

std::string temporary_prefix(const fs::path& path) {
  return fmt::format(".{}.tmp-", path.filename().string());
}

fs::path temporary_sibling(const fs::path& path) {
  return parent_of(path) / fmt::format("{}{}", temporary_prefix(path), ::getpid());
}

// The system frees a lock when its holder ends, however it ends: a temporary that can be locked is nobody's.
bool lock(const Descriptor& file) {
  return ::flock(file.value, LOCK_EX | LOCK_NB) == 0;
}

// The number of the process's own descriptor that a path names: /dev/stdout, /dev/fd/5, /proc/self/fd/5.
std::optional<int> descriptor_named_by(const fs::path& path) {
  const fs::path place = followed(path);
  std::error_code error;
  if (!fs::equivalent(parent_of(place), "/proc/self/fd", error) || error) return {};
  const std::string name = place.filename().string();
  int descriptor = -1;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), descriptor);
  return problem == std::errc() && end == name.data() + name.size() ? std::optional(descriptor) : std::nullopt;
}

// A device, a pipe, or an open descriptor: opened to be written into. Nothing for a regular file, or none.
std::optional<Descriptor> open_special(const fs::path& path) {
  if (const auto descriptor = descriptor_named_by(path)) {
    return Descriptor{::fcntl(*descriptor, F_DUPFD_CLOEXEC, 3)};  // a new descriptor that shares the file's position
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return {};
  return Descriptor{::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY)};
}

void write_all(int descriptor, Bytes bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {  // a pipe that somebody made non-blocking
      pollfd waiting{descriptor, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
      continue;
    }
    if (put < 0) failed("{}: can't write: {}", path.string(), why(errno));
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// False where `path` is nothing that has to be written into.
bool write_into_special(const fs::path& path, std::string_view content) {
  const auto special = open_special(path);
  if (!special) return false;
  if (special->value < 0) failed("{}: can't write: {}", path.string(), why(errno));
  write_all(special->value, bytes_of(content), path);
  return true;
}

// The two names change places in one step. False where the file system can't do that.
bool exchange(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

// Of a folder its sticky and group bits too; a program's right to run as another is nothing that its content inherits.
std::optional<mode_t> permissions_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return status.st_mode & (S_ISDIR(status.st_mode) ? 07777 : 0777);
}

}  // namespace

void keep_permissions(const fs::path& replaced, const fs::path& by) {
  const auto mode = permissions_of(replaced);
  if (mode && mode != permissions_of(by) && ::chmod(by.c_str(), *mode) != 0) {
    failed("{}: can't give it the permissions of {}: {}", by.string(), replaced.string(), why(errno));
  }
}

MappedFile::MappedFile(fs::path path) : path_(std::move(path)) {
  struct stat status {};
  const Descriptor file = open_to_read(path_, status);
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (data == MAP_FAILED) bad_input("{}: can't map: {}", path_.string(), why(errno));
  data_ = static_cast<const std::byte*>(data);
  try {
    refuse_lfs_pointer(text(), path_);
  } catch (...) {  // a constructor that throws has no destructor
    ::munmap(data, size_);
    throw;
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

void release_pages(Bytes mapped) {
  // Whole pages only: the first and last may hold a neighbour's bytes.
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t before = (page - reinterpret_cast<uintptr_t>(mapped.data()) % page) % page;
  if (mapped.size() < before + page) return;
  const size_t whole = (mapped.size() - before) / page * page;
  ::madvise(const_cast<std::byte*>(mapped.data()) + before, whole, MADV_DONTNEED);
}

std::string read_file(const fs::path& path, uint64_t limit) {
  struct stat status {};
  const Descriptor file = open_to_read(path, status);
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > limit) bad_input("{}: {} bytes is too large for such a file (at most {})", path.string(), size, limit);
  std::string content(size, '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = ::read(file.value, content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) bad_input("{}: can't read: {}", path.string(), why(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  content.resize(done);
  refuse_lfs_pointer(content, path);
  return content;
}

StagedFolder::StagedFolder(const fs::path& target, bool replace)
    : target_(plain_path(followed(plain_path(target)))), staging_(temporary_sibling(target_)), replace_(replace) {
  if (!replace && fs::exists(fs::symlink_status(target_))) {
    bad_input("{}: exists already; give another folder, or --force to replace it", target_.string());
  }
  std::error_code error;
  fs::create_directories(parent_of(target_), error);
  remove_left_temporaries(target_);
  if (!error) fs::remove_all(staging_, error);
  if (!error) fs::create_directory(staging_, error);
  if (error) bad_input("{}: can't write there: {}", target_.string(), error.message());
  // Nobody reads meanwhile who could not read what is replaced.
  if (const auto mode = permissions_of(target_)) ::chmod(staging_.c_str(), *mode | 0700);
  lock_ = ::open(staging_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0) ::flock(lock_, LOCK_EX | LOCK_NB);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(staging_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void StagedFolder::commit() {
  sync_folder(staging_);
  std::error_code error;
  const bool replacing = replace_ && fs::exists(fs::symlink_status(target_));
  if (replacing) keep_permissions(target_, staging_);
  if (replacing && exchange(staging_, target_)) {
    committed_ = true;
    sync_folder(parent_of(target_));
    fs::remove_all(staging_, error);  // the old content by now
    return;
  }
  const fs::path old = staging_.string() + ".old";
  if (replacing) fs::rename(target_, old, error);
  if (error) failed("{}: can't replace: {}", target_.string(), error.message());
  fs::rename(staging_, target_, error);
  if (error) {
    std::error_code ignored;
    if (replacing) fs::rename(old, target_, ignored);
    failed("{}: can't rename {} to it: {}", target_.string(), staging_.string(), error.message());
  }
  committed_ = true;
  sync_folder(parent_of(target_));
  if (replacing) fs::remove_all(old, error);
}

void remove_left_temporaries(const fs::path& target) {
  const fs::path plain = plain_path(target);
  const std::string prefix = temporary_prefix(plain);
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(parent_of(plain), ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && !name.ends_with(".old")) left.push_back(entry.path());
  }
  for (const fs::path& path : left) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (file.value >= 0 && lock(file)) fs::remove_all(path, ignored);
  }
}

fs::path followed(const fs::path& path) {
  constexpr int most_links = 40;  // as the kernel has it
  fs::path place = path;
  std::error_code error;
  for (int links = 0; links < most_links; ++links) {
    if (!fs::is_symlink(fs::symlink_status(place, error))) return place;
    if (fs::canonical(parent_of(place), error).string().starts_with("/proc/") && !error) return place;
    const fs::path target = fs::read_symlink(place, error);
    if (error) break;
    place = target.is_absolute() ? target : parent_of(place) / target;
  }
  bad_input("{}: can't be followed: {}", path.string(), error ? error.message() : "too many links");
}

bool is_written_into(const fs::path& path) {
  struct stat status {};
  return descriptor_named_by(path) ||
         (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode));
}

void append_to_file(const fs::path& path, std::string_view text) {
  if (write_into_special(path, text)) return;
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (file.value < 0) failed("{}: can't write: {}", path.string(), why(errno));
  // Where the file system has no locks, O_APPEND alone keeps what several write apart.
  while (::flock(file.value, LOCK_EX) != 0 && errno == EINTR) {
  }
  struct stat before {};
  if (::fstat(file.value, &before) != 0) failed("{}: can't write: {}", path.string(), why(errno));
  try {
    write_all(file.value, bytes_of(text), path);
    if (::fsync(file.value) != 0) failed("{}: can't sync: {}", path.string(), why(errno));
  } catch (const Error&) {
    if (::ftruncate(file.value, before.st_size) != 0) failed("{}: holds a part of what was to be added", path.string());
    throw;
  }
}

void check_appendable(const fs::path& path) {
  std::error_code ignored;
  if (is_written_into(path) || !fs::is_regular_file(path, ignored)) return check_writable(path);
  const MappedFile content(path);  // refuses a Git LFS pointer
  if (::access(path.c_str(), W_OK) != 0) bad_input("{}: can't write there: {}", path.string(), why(errno));
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  if (write_into_special(path, content)) return;
  const fs::path target = followed(path);
  const fs::path temporary = temporary_sibling(target);
  try {
    OutputFile file(temporary);
    keep_permissions(target, temporary);
    file.write(content);
    file.close();
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    failed("{}: can't write: {}", path.string(), why(error));
  }
  sync_folder(parent_of(target));
}

void check_writable(const fs::path& path) {
  if (const auto descriptor = descriptor_named_by(path)) {
    const int flags = ::fcntl(*descriptor, F_GETFL);
    if (flags < 0) bad_input("{}: can't write there: {}", path.string(), why(errno));
    if ((flags & O_ACCMODE) == O_RDONLY) bad_input("{}: can't write there: it is open for reading", path.string());
    return;
  }
  const fs::path target = followed(path);
  std::error_code ignored;
  const fs::file_status status = fs::status(target, ignored);
  if (fs::is_directory(status)) bad_input("{}: is a folder; give a file", path.string());
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (fs::is_socket(status)) bad_input("{}: is a socket; give a file", path.string());
    if (::access(target.c_str(), W_OK) != 0) bad_input("{}: can't write there: {}", path.string(), why(errno));
    return;
  }
  remove_left_temporaries(target);
  const fs::path temporary = temporary_sibling(target);
  const Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
  if (file.value < 0) bad_input("{}: can't write there: {}", path.string(), why(errno));
  ::unlink(temporary.c_str());
}

OutputFile::OutputFile(fs::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) failed("{}: can't write: {}", path_.string(), why(errno));
  ::flock(descriptor_, LOCK_EX | LOCK_NB);  // for remove_left_temporaries
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::write(Bytes bytes) {
  write_all(descriptor_, bytes, path_);
}

void OutputFile::write(std::string_view text) {
  write(bytes_of(text));
}

void OutputFile::close() {
  if (::fsync(descriptor_) != 0) failed("{}: can't sync: {}", path_.string(), why(errno));
  if (::close(std::exchange(descriptor_, -1)) != 0) failed("{}: can't close: {}", path_.string(), why(errno));
}

}  // namespace sleb
