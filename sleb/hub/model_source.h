// Where the model is that a user's MODEL means: a path, or a name on the hub, from the cache or fetched into it.
#pragma once

#include <filesystem>
#include <string>

#include "sleb/base/progress.h"
#include "sleb/hub/needed_files.h"

namespace sleb {

struct ModelSource {
  std::filesystem::path path;  // a folder or a GGUF, for locate_model
  // Of a model that was named: "org/name" and its commit. Empty for a path.
  std::string repository;
  std::string commit;
};

// A path that exists, or that can't be a name, is taken as it stands. Else the cache is read: what is there whole is
// used at once, and what is missing is fetched by hf_download, with its progress. Throws Error, saying what to do, and
// Interrupted.
ModelSource find_model(const std::string& given, ModelParts parts, Progress& progress);

// What a command reads of the model, whether it is there yet or not: the path, or the repository's folder in the cache.
std::filesystem::path place_of_model(const std::string& given);

}  // namespace sleb
