#include "sleb/hub/model_source.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/numbers.h"
#include "sleb/base/sha256.h"
#include "sleb/checkpoint/families.h"
#include "sleb/hub/hf_command.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// A name, unless a path of that name exists.
std::optional<ModelName> name_in(const std::string& given) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(given, ignored))) return {};
  return parse_model_name(given);
}

// The model, if all of it is there.
std::optional<ModelSource> whole(const ModelName& name, const NeededFiles& needed, const Snapshot& snapshot) {
  if (!needed.problem.empty() || first_missing(needed, snapshot)) return {};
  const fs::path path = needed.gguf.empty() ? snapshot.folder : snapshot.folder / needed.gguf;
  return ModelSource{path, name.repository, snapshot.commit};
}

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

std::vector<std::string> files_to_fetch(const NeededFiles& needed, const Snapshot& snapshot) {
  std::vector<std::string> files;
  std::error_code ignored;
  std::ranges::copy_if(needed.files, std::back_inserter(files),
                       [&](const std::string& file) { return !fs::exists(snapshot.folder / file, ignored); });
  return files;
}

// What the commit's listing says of a file.
ListedFile listed(const Snapshot& snapshot, const std::string& file) {
  if (!snapshot.listing) return {};
  const auto found = snapshot.listing->find(file);
  return found == snapshot.listing->end() ? ListedFile() : found->second;
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
void remove_from_cache(const fs::path& path) {
  std::error_code error;
  const fs::path blobs = fs::canonical(path.parent_path(), error).parent_path().parent_path() / "blobs";
  const fs::path content = fs::canonical(path, error);
  if (!error && content.parent_path() == blobs) fs::remove(content, error);
  fs::remove(path, error);
}

// What came over plain HTTP is not checked by hf. All files of the model are looked at, as an earlier run may have
// ended before it had checked its own; those that are not what the hub lists are removed.
void check_hashes(const std::vector<std::string>& files, const Snapshot& snapshot, Progress& progress) {
  progress.begin("checking", bytes_of(files, snapshot).value_or(0) >> 20, "MiB");
  std::string wrong;
  for (const std::string& file : files) {
    check_interrupt();
    const fs::path path = snapshot.folder / file;
    const ListedFile expected = listed(snapshot, file);
    if (!is_as_listed(path, expected)) {
      remove_from_cache(path);
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
void announce(const ModelName& name, std::optional<uint64_t> bytes, const fs::path& cache, Progress& progress) {
  const auto free = free_bytes(cache);
  const std::string room = free ? format_bytes(*free) + " free there" : "free space unknown";
  if (bytes && free && *bytes > *free) {
    failed("{}: takes {}, but {} has {} free; free some, or set HF_HOME to a folder on another disk", name.repository,
           format_bytes(*bytes), cache.string(), format_bytes(*free));
  }
  progress.note(fmt::format("fetching {}: {} to {} ({})", name.repository,
                            bytes ? format_bytes(*bytes) : "size unknown", cache.string(), room));
}

Snapshot snapshot_at(const fs::path& folder) {
  const std::string commit = folder.filename().string();
  const fs::path repository = folder.parent_path().parent_path();
  return {folder, commit, read_listing(repository / "trees" / (commit + ".json"))};
}

void fetch_weights(const ModelName& name, const NeededFiles& needed, const Snapshot& snapshot, Progress& progress) {
  const fs::path repository = snapshot.folder.parent_path().parent_path();
  const std::vector<std::string> missing = files_to_fetch(needed, snapshot);
  const auto bytes = bytes_of(missing, snapshot);
  announce(name, bytes, repository.parent_path(), progress);
  const uint64_t before = bytes_in(repository / "blobs");
  const uint64_t total = bytes.value_or(0);
  uint64_t shown = 0;
  progress.begin("fetching", total >> 20, "MiB");
  std::vector<std::string> patterns;
  std::ranges::transform(needed.files, std::back_inserter(patterns), literal);
  hf_download(name, snapshot.commit, patterns, [&] {
    const uint64_t now = bytes_in(repository / "blobs");
    const uint64_t fetched = std::min(total, now > before ? now - before : 0) >> 20;
    progress.advance(fetched > shown ? fetched - shown : 0);
    shown = std::max(shown, fetched);
  });
  progress.end();
  check_hashes(needed.files, snapshot, progress);
}

// A model that can't be run is refused before its weights come.
void check_family(const fs::path& config_file) {
  std::error_code ignored;
  if (!fs::exists(config_file, ignored)) return;  // whoever opens the model says so
  const Json config = parse_json(read_file(config_file), config_file.string());
  spec_from_config(JsonView(config, config_file.string()));
}

ModelSource fetch(const ModelName& name, ModelParts parts, Progress& progress) {
  progress.note(fmt::format("fetching {} from {}", name.repository, hub_endpoint()));
  const Snapshot snapshot = snapshot_at(hf_download(name, name.revision, small_file_patterns(), [] {}));
  NeededFiles needed = needed_files(name, parts, snapshot);
  if (!needed.problem.empty()) bad_input("{}: {}", name.repository, needed.problem);
  if (const auto model = whole(name, needed, snapshot)) return *model;
  if (needed.gguf.empty()) check_family(snapshot.folder / "config.json");
  fetch_weights(name, needed, snapshot, progress);
  if (const auto model = whole(name, needed, snapshot)) return *model;
  const std::string missing = first_missing(needed, snapshot).value_or("");
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(snapshot.folder / missing, ignored))) {
    if (!snapshot.listing) {
      failed("{}: {} did not come; check the network, and that hf is up to date: pip install -U huggingface_hub",
             name.repository, missing);
    }
    bad_input("{}: the repository holds no {}", name.repository, missing);
  }
  failed("{}: is not as long as {} says; remove it, and the same command fetches it again",
         (snapshot.folder / missing).string(), hub_endpoint());
}

// Before any program is started.
[[noreturn]] void refuse_offline(const ModelName& name, const fs::path& cache, const std::string& missing) {
  const std::string what = missing.empty() ? "is not in" : fmt::format("{} is missing in", missing);
  failed("{}: {} {}, and HF_HUB_OFFLINE is set; unset it, or copy the model there from a machine with a network",
         name.repository, what, cache.string());
}

}  // namespace

fs::path place_of_model(const std::string& given) {
  const auto name = name_in(given);
  return name ? repository_folder(hub_cache(), name->repository) : fs::path(given);
}

ModelSource find_model(const std::string& given, ModelParts parts, Progress& progress) {
  const auto name = name_in(given);
  if (!name) return {given, "", ""};
  const fs::path cache = hub_cache();
  const auto snapshot = find_snapshot(repository_folder(cache, name->repository), name->revision);
  std::string missing;
  if (snapshot) {
    const NeededFiles needed = needed_files(*name, parts, *snapshot);
    if (const auto model = whole(*name, needed, *snapshot)) return *model;
    if (hub_is_offline() && !needed.problem.empty()) bad_input("{}: {}", name->repository, needed.problem);
    missing = first_missing(needed, *snapshot).value_or("");
  }
  if (hub_is_offline()) refuse_offline(*name, cache, missing);
  return fetch(*name, parts, progress);
}

}  // namespace sleb
