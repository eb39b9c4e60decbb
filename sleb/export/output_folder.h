// The folder that an export writes: what is in it, and whether it may be replaced.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sleb {

// Every file below `folder`, sorted.
std::vector<std::string> files_below(const std::filesystem::path& folder);

// --force is for what an earlier run wrote, not for a mistyped folder, nor for what somebody has put beside it: throws
// Error(bad_input) for a folder with files that its sleb.json does not name.
void check_replaceable(const std::filesystem::path& target);

}  // namespace sleb
