#include "sleb/hub/model_source.h"

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/checkpoint/families.h"
#include "sleb/hub/fetch.h"
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
  if (!needed.problem.empty() || first_missing(needed.files, snapshot)) return {};
  const fs::path path = needed.gguf.empty() ? snapshot.folder : snapshot.folder / needed.gguf;
  return ModelSource{path, name.repository.name, snapshot.commit};
}

// A model that can't be run is refused before its weights come.
void check_family(const fs::path& config_file) {
  std::error_code ignored;
  if (!fs::exists(config_file, ignored)) return;  // whoever opens the model says so
  const Json config = parse_json(read_file(config_file), config_file.string());
  spec_from_config(JsonView(config, config_file.string()));
}

ModelSource fetch(const ModelName& name, ModelParts parts, Progress& progress) {
  const Snapshot snapshot = fetch_small_files(name.repository, small_file_patterns(), progress);
  NeededFiles needed = needed_files(name, parts, snapshot);
  if (!needed.problem.empty()) bad_input("{}: {}", name.repository.name, needed.problem);
  if (const auto model = whole(name, needed, snapshot)) return *model;
  if (needed.gguf.empty()) check_family(snapshot.folder / "config.json");
  fetch_files(name.repository, needed.files, snapshot, progress);
  if (const auto model = whole(name, needed, snapshot)) return *model;
  refuse_missing(name.repository, first_missing(needed.files, snapshot).value_or(""), snapshot);
}

}  // namespace

fs::path place_of_model(const std::string& given) {
  const auto name = name_in(given);
  return name ? repository_folder(hub_cache(), name->repository) : fs::path(given);
}

ModelSource find_model(const std::string& given, ModelParts parts, Progress& progress) {
  const auto name = name_in(given);
  if (!name) return {given, "", ""};
  const auto snapshot = find_snapshot(repository_folder(hub_cache(), name->repository), name->repository.revision);
  std::string missing;
  if (snapshot) {
    const NeededFiles needed = needed_files(*name, parts, *snapshot);
    if (const auto model = whole(*name, needed, *snapshot)) return *model;
    if (hub_is_offline() && !needed.problem.empty()) bad_input("{}: {}", name->repository.name, needed.problem);
    missing = first_missing(needed.files, *snapshot).value_or("");
  }
  if (hub_is_offline()) refuse_offline(name->repository, missing);
  return fetch(*name, parts, progress);
}

}  // namespace sleb
