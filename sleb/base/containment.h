// Paths that come with a checkpoint must not lead out of its folder.
#pragma once

#include <filesystem>
#include <system_error>

namespace sleb {

// Whether `path`, followed through every link, lies inside `folder`. The links by which the Hugging Face cache keeps a
// model's contents in blobs/ beside its snapshots/, or in the blobs/ that all models share, count as inside. False, and
// `error` set, where `path` leads nowhere.
bool is_inside(const std::filesystem::path& path, const std::filesystem::path& folder, std::error_code& error);

}  // namespace sleb
