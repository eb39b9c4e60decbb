// What is written into and not replaced: what can't be, and files that are added to. What stays of what is replaced.
#pragma once

#include <filesystem>
#include <string_view>

namespace sleb {

// Whether write_file_atomically writes into what is there: a device, a pipe, an open descriptor (/dev/stdout).
bool is_written_into(const std::filesystem::path& path);

// Gives `by` the permissions of `replaced`, if that is there. Throws Error(failed) where the system refuses.
void keep_permissions(const std::filesystem::path& replaced, const std::filesystem::path& by);

// Adds `text` at the end of the file that `path` leads to, or makes one of it. Of several programs that add to a file
// at once each takes its turn (flock(2)), so nothing of any is lost; what a full disk took a part of is taken back. A
// device, a pipe or an open descriptor is written into. Throws Error(failed) when the disk refuses.
void append_to_file(const std::filesystem::path& path, std::string_view text);

// Throws Error(bad_input) if append_to_file could not add there, or if a Git LFS pointer stands there.
void check_appendable(const std::filesystem::path& path);

}  // namespace sleb
