#include "sleb/base/containment.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Both canonical.
bool begins_with(const fs::path& path, const fs::path& folder) {
  const fs::path relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "." && *relative.begin() != "..";
}

bool is_hash(const std::string& name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == name.npos;
}

// Contents that repositories share stand in CACHE/blobs/01/0123..., under the hash of what they are.
bool is_shared_blob(const fs::path& path, const fs::path& cache) {
  const std::string hash = path.filename().string();
  return is_hash(hash) && path == cache / "blobs" / hash.substr(0, 2) / hash;
}

// The cache keeps contents in MODEL/blobs/ and links to them from MODEL/snapshots/REVISION/ and the folders in it.
bool is_cached_blob(const fs::path& path, const fs::path& folder) {
  fs::path snapshots = folder.parent_path();
  while (snapshots.filename() != "snapshots" && snapshots.has_relative_path()) snapshots = snapshots.parent_path();
  if (snapshots.filename() != "snapshots") return false;
  const fs::path model = snapshots.parent_path();
  return begins_with(path, model / "blobs") || is_shared_blob(path, model.parent_path());
}

}  // namespace

bool is_inside(const fs::path& path, const fs::path& folder, std::error_code& error) {
  const fs::path real_folder = fs::canonical(folder, error);
  const fs::path real_path = error ? fs::path() : fs::canonical(path, error);
  return !error && (begins_with(real_path, real_folder) || is_cached_blob(real_path, real_folder));
}

}  // namespace sleb
