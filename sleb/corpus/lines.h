// A text file line by line, compressed or not.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace sleb {

enum class Packing { none, gzip };

// Calls `take` with every line in order, each with its newline where it has one. Throws Error(bad_input) if the file
// can't be read or is a broken gzip stream (gzip.h).
void for_each_line(const std::filesystem::path& path, Packing packing,
                   const std::function<void(std::string_view line)>& take);

}  // namespace sleb
