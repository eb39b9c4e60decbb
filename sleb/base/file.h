// Files: read by mapping, written whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace sleb {

using Bytes = std::span<const std::byte>;

// A file mapped read-only; its pages are read when touched. An empty file maps to an empty span.
class MappedFile {
 public:
  // Throws Error(bad_input) if the file is missing, not a regular file, can't be read, or is a Git LFS pointer.
  explicit MappedFile(std::filesystem::path path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  Bytes bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Tells the system that these pages of a mapped file are not needed for now: they leave the process's memory, and are
// read again when touched again.
void release_pages(Bytes mapped);

// The whole of a small file (configuration, index). Throws Error(bad_input) if missing, larger than `limit` bytes, or a
// Git LFS pointer.
std::string read_file(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 30);

// A folder that appears under its final name only when whole: files are written into a hidden temporary sibling, which
// commit() syncs and renames. Replacing a target, whose permissions stay, is one step where the file system can
// exchange names (renameat2), else two. Without commit() the destructor removes the temporary.
class StagedFolder {
 public:
  // A link is followed. Throws Error(bad_input) if `target` exists and `replace` is false, or its parent can't be
  // written.
  StagedFolder(const std::filesystem::path& target, bool replace);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  // Where to write meanwhile.
  const std::filesystem::path& path() const { return staging_; }
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path staging_;
  bool replace_;
  bool committed_ = false;
  int lock_ = -1;  // descriptor of the staging folder
};

// Removes what killed runs left of their unfinished writing to `target`; what a running one writes is kept.
void remove_left_temporaries(const std::filesystem::path& target);

// Where writing to `path` ends: its links are followed, also one to a file that is not there yet, and none into /proc
// (/dev/stdout), where the name of a link's target means nothing. Throws Error(bad_input) for links without an end.
std::filesystem::path followed(const std::filesystem::path& path);

// Writes `content` to a temporary sibling of the file that `path` leads to, syncs, renames onto it; of a file there the
// permissions stay. A device, a pipe or an open descriptor (/dev/stdout, /dev/fd/5) is written into, never replaced.
// Throws Error(failed) when the disk refuses.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Throws Error(bad_input) if write_file_atomically could not write there: better known before long work than after it.
void check_writable(const std::filesystem::path& path);

// An output file that reports every failure (full disk) as Error(failed).
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(Bytes bytes);
  void write(std::string_view text);
  // Syncs to disk and closes. Without it the content counts as unfinished.
  void close();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace sleb
