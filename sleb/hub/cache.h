// The cache that huggingface_hub keeps on disk, read without it: models--ORG--NAME/{refs/REVISION, snapshots/COMMIT,
// trees/COMMIT.json}, with contents in blobs/ (huggingface_hub, guides/manage-cache); of data sets
// datasets--ORG--NAME.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/environment.h"
#include "sleb/hub/repository_name.h"

namespace sleb {

// The cache's folder as huggingface_hub's constants.py takes it from HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME and
// XDG_CACHE_HOME, else ~/.cache/huggingface/hub; absolute. "~" and $NAME in them are expanded as Python does.
std::filesystem::path hub_cache(const ReadVariable& variable);
std::filesystem::path hub_cache();  // this process's
std::filesystem::path hub_home();   // HF_HOME, where the token is

struct ListedFile {
  uint64_t bytes = 0;
  std::string sha256 = {};  // of large files, which the hub keeps as Git LFS does; "": not known
  std::string blob = {};    // what its content is called in blobs/: that hash, or of other files git's; "": not known
  std::string xet = {};     // Xet's hash of its content; "": not known

  bool operator==(const ListedFile&) const = default;
};
// Each file of a commit, whether it is in the cache or not.
using Listing = std::map<std::string, ListedFile>;

struct Snapshot {
  std::filesystem::path folder;
  std::string commit;
  std::optional<Listing> listing;  // nothing where the cache has none: only newer versions of huggingface_hub keep it
};

// The repository's folder inside the cache.
std::filesystem::path repository_folder(const std::filesystem::path& cache, const RepositoryName& repository);

// The commit of a revision that the cache knows; nothing where it knows none. Its folder may hold a part of the files.
std::optional<Snapshot> find_snapshot(const std::filesystem::path& repository_folder, const std::string& revision);

// What trees/COMMIT.json says. Names that lead out of the snapshot are left out. Nothing for a file that is not there,
// malformed, or of another version.
std::optional<Listing> read_listing(const std::filesystem::path& file);

// Whether the content of a file is there, of whichever revision: it is then linked and not fetched.
bool has_content(const std::filesystem::path& repository_folder, const ListedFile& file);

// Whether the contents that several repositories of `cache` share are there, and among them the file's, as newer
// versions of huggingface_hub keep them (utils/_shared_blobs.py): blobs/.huggingface-shared-blobs, blobs/ab/abcdef...
bool has_shared_content(const std::filesystem::path& cache, const ListedFile& file);

// By its listing, or, where it has none, those that its folder holds.
std::vector<std::string> names_in(const Snapshot& snapshot);

// The first of `files` that is not there as a regular file, or not of the listed size; nothing where all are there.
std::optional<std::string> first_missing(const std::vector<std::string>& files, const Snapshot& snapshot);

}  // namespace sleb
