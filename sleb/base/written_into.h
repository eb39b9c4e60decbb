// What is written into because it can't be replaced.
#pragma once

#include <filesystem>

namespace sleb {

// Whether write_file_atomically writes into what is there: a device, a pipe, an open descriptor (/dev/stdout).
bool is_written_into(const std::filesystem::path& path);

}  // namespace sleb
