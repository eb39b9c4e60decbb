// What an export writes: where the record of it stands, what is in its folder, and whether that may be replaced.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sleb {

// The JSON of what was done: sleb.json in the folder `out`, or NAME.sleb.json beside a GGUF NAME.gguf, also of its
// parts NAME-00001-of-00003.gguf. Links are followed.
std::filesystem::path record_of(const std::filesystem::path& out);
// The files that such a record, or else nothing, says were written with it, as they are named from its folder; sorted.
std::vector<std::string> files_in_record(const std::filesystem::path& record);

// Every file below `folder`, sorted.
std::vector<std::string> files_below(const std::filesystem::path& folder);

// --force is for what an earlier run wrote, not for a mistyped folder, nor for what somebody has put beside it: throws
// Error(bad_input) for a folder with files that its sleb.json does not name.
void check_replaceable(const std::filesystem::path& target);

}  // namespace sleb
