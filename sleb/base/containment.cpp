#include "sleb/base/containment.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Both canonical.
bool begins_with(const fs::path& path, const fs::path& folder) {
  const fs::path relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "." && *relative.begin() != "..";
}

// The cache keeps contents in MODEL/blobs/ and links to them from MODEL/snapshots/REVISION/.
bool is_cached_blob(const fs::path& path, const fs::path& folder) {
  const fs::path snapshots = folder.parent_path();
  return snapshots.filename() == "snapshots" && begins_with(path, snapshots.parent_path() / "blobs");
}

}  // namespace

bool is_inside(const fs::path& path, const fs::path& folder, std::error_code& error) {
  const fs::path real_folder = fs::canonical(folder, error);
  const fs::path real_path = error ? fs::path() : fs::canonical(path, error);
  return !error && (begins_with(real_path, real_folder) || is_cached_blob(real_path, real_folder));
}

}  // namespace sleb
