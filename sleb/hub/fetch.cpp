#include "sleb/hub/fetch.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/numbers.h"
#include "sleb/base/sha256.h"
#include "sleb/hub/hf_command.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// What the blobs of a repository take on the disk. Files that are being written count as far as they are written.
uint64_t bytes_in(const fs::path& blobs) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(blobs, ignored)) {
    struct stat status {};
    constexpr uint64_t block = 512;  // of st_blocks (stat(2))
    if (::stat(entry.path().c_str(), &status) == 0) bytes += static_cast<uint64_t>(status.st_blocks) * block;
  }
  return bytes;
}

// Of the file system that will hold `folder`; nothing if that is not known.
std::optional<uint64_t> free_bytes(fs::path folder) {
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, error);
  return error ? std::nullopt : std::optional(space.available);
}

// What the commit's listing says of a file.
ListedFile listed(const Snapshot& snapshot, const std::string& file) {
  if (!snapshot.listing) return {};
  const auto found = snapshot.listing->find(file);
  return found == snapshot.listing->end() ? ListedFile() : found->second;
}

// Of those whose content the cache does not have; content that several of them have comes once.
std::vector<std::string> files_to_fetch(const std::vector<std::string>& needed, const Snapshot& snapshot) {
  const fs::path repository = snapshot.folder.parent_path().parent_path();
  const bool shares = hub_shares_contents();
  std::vector<std::string> files;
  std::set<std::string> blobs;
  for (const std::string& name : needed) {
    const ListedFile file = listed(snapshot, name);
    std::error_code ignored;
    if (fs::exists(snapshot.folder / name, ignored) || has_content(repository, file)) continue;
    if (shares && has_shared_content(repository.parent_path(), file)) continue;
    if (file.blob.empty() || blobs.insert(file.blob).second) files.push_back(name);
  }
  return files;
}

// Together; nothing where the sizes are not known.
std::optional<uint64_t> bytes_of(const std::vector<std::string>& files, const Snapshot& snapshot) {
  if (!snapshot.listing) return {};
  uint64_t bytes = 0;
  for (const std::string& file : files) bytes += listed(snapshot, file).bytes;
  return bytes;
}

bool is_as_listed(const fs::path& path, const ListedFile& expected) {
  std::error_code error;
  return expected.sha256.empty() || !fs::is_regular_file(path, error) ||
         sha256_hex(MappedFile(path).bytes()) == expected.sha256;
}

// The link in the snapshot, and the content if it lies in this repository: hf also keeps some that several share.
void remove_from_cache(const fs::path& path, const Snapshot& snapshot) {
  std::error_code error;
  const fs::path blobs = fs::canonical(snapshot.folder, error).parent_path().parent_path() / "blobs";
  const fs::path content = fs::canonical(path, error);
  if (!error && content.parent_path() == blobs) fs::remove(content, error);
  fs::remove(path, error);
}

// What came over plain HTTP is not checked by hf. All of them are looked at, as an earlier run may have
// ended before it had checked its own; those that are not what the hub lists are removed.
void check_hashes(const std::vector<std::string>& files, const Snapshot& snapshot, Progress& progress) {
  progress.begin("checking", bytes_of(files, snapshot).value_or(0) >> 20, "MiB");
  std::string wrong;
  for (const std::string& file : files) {
    check_interrupt();
    const fs::path path = snapshot.folder / file;
    const ListedFile expected = listed(snapshot, file);
    if (!is_as_listed(path, expected)) {
      remove_from_cache(path, snapshot);
      wrong = path.string();
    }
    progress.advance(expected.bytes >> 20);
  }
  progress.end();
  if (wrong.empty()) return;
  failed("{}: what came is not what {} lists (SHA-256), and is removed; the same command fetches it again", wrong,
         hub_endpoint());
}

// As a pattern that matches it alone (Python's fnmatch, where "[*]" is a star).
std::string literal(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    pattern += c == '*' || c == '?' || c == '[' ? std::string{'[', c, ']'} : std::string(1, c);
  }
  return pattern;
}

// Says what comes, and refuses what has no room.
void announce(const RepositoryName& repository, std::optional<uint64_t> bytes, const fs::path& cache,
              Progress& progress) {
  const auto free = free_bytes(cache);
  const std::string room = free ? format_bytes(*free) + " free there" : "free space unknown";
  if (bytes && free && *bytes > *free) {
    failed("{}: takes {}, but {} has {} free; free some, or set HF_HOME to a folder on another disk", repository.name,
           format_bytes(*bytes), cache.string(), format_bytes(*free));
  }
  progress.note(fmt::format("fetching {}: {} to {} ({})", repository.name,
                            bytes ? format_bytes(*bytes) : "size unknown", cache.string(), room));
}

Snapshot snapshot_at(const fs::path& folder) {
  const std::string commit = folder.filename().string();
  const fs::path repository = folder.parent_path().parent_path();
  return {folder, commit, read_listing(repository / "trees" / (commit + ".json"))};
}

RepositoryName at_commit(RepositoryName repository, const std::string& commit) {
  repository.revision = commit;
  return repository;
}

}  // namespace

Snapshot fetch_small_files(const RepositoryName& repository, const std::vector<std::string>& patterns,
                           Progress& progress) {
  progress.note(fmt::format("fetching {} from {}", repository.name, hub_endpoint()));
  return snapshot_at(hf_download(repository, patterns, [] {}));
}

void fetch_files(const RepositoryName& repository, const std::vector<std::string>& files, const Snapshot& snapshot,
                 Progress& progress) {
  const fs::path folder = snapshot.folder.parent_path().parent_path();
  const std::vector<std::string> missing = files_to_fetch(files, snapshot);
  const auto bytes = bytes_of(missing, snapshot);
  if (bytes != 0) announce(repository, bytes, folder.parent_path(), progress);
  const uint64_t before = bytes_in(folder / "blobs");
  const uint64_t total = bytes.value_or(0);
  uint64_t shown = 0;
  progress.begin("fetching", total >> 20, "MiB");
  std::vector<std::string> patterns;
  std::ranges::transform(files, std::back_inserter(patterns), literal);
  hf_download(at_commit(repository, snapshot.commit), patterns, [&] {
    const uint64_t now = bytes_in(folder / "blobs");
    const uint64_t fetched = std::min(total, now > before ? now - before : 0) >> 20;
    progress.advance(fetched > shown ? fetched - shown : 0);
    shown = std::max(shown, fetched);
  });
  progress.end();
  check_hashes(files, snapshot, progress);
}

void refuse_missing(const RepositoryName& repository, const std::string& missing, const Snapshot& snapshot) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(snapshot.folder / missing, ignored))) {
    if (!snapshot.listing) {
      failed("{}: {} did not come; check the network, and that hf is up to date: pip install -U huggingface_hub",
             repository.name, missing);
    }
    bad_input("{}: the repository holds no {}", repository.name, missing);
  }
  const fs::path path = snapshot.folder / missing;
  remove_from_cache(path, snapshot);
  failed("{}: was not as long as {} says, and is removed; the same command fetches it again", path.string(),
         hub_endpoint());
}

void refuse_offline(const RepositoryName& repository, const std::string& missing) {
  const std::string what = missing.empty() ? "is not in" : fmt::format("{} is missing in", missing);
  failed("{}: {} {}, and HF_HUB_OFFLINE is set; unset it, or copy the {} there from a machine with a network",
         repository.name, what, hub_cache().string(), word_for(repository.kind));
}

}  // namespace sleb
