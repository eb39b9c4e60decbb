// Fetches files of a repository into the cache, by hf_download, and looks whether they are what the hub lists.
#pragma once

#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/hub/cache.h"
#include "sleb/hub/repository_name.h"

namespace sleb {

// The small files that match the patterns, and with them the commit's listing. Throws what hf_download throws.
Snapshot fetch_small_files(const RepositoryName& repository, const std::vector<std::string>& patterns,
                           Progress& progress);

// `files` of the snapshot, with size and free disk said before, progress meanwhile, and SHA-256 checked afterwards;
// what is not as the hub lists it is removed. Throws Error, saying what to do, and Interrupted.
void fetch_files(const RepositoryName& repository, const std::vector<std::string>& files, const Snapshot& snapshot,
                 Progress& progress);

// After a fetch that succeeded, `missing` is still not there as it is listed. If it is there, it is removed
// with its content, which hf would link again.
[[noreturn]] void refuse_missing(const RepositoryName& repository, const std::string& missing,
                                 const Snapshot& snapshot);

// Before any program is started. `missing`: a file that the cache lacks, or "" where it has nothing.
[[noreturn]] void refuse_offline(const RepositoryName& repository, const std::string& missing);

}  // namespace sleb
