#include "sleb/datasets/dataset_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/name_list.h"
#include "sleb/corpus/row_pass.h"
#include "sleb/datasets/data_files.h"
#include "sleb/hub/cache.h"
#include "sleb/hub/fetch.h"
#include "sleb/hub/hf_command.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

using Names = std::vector<std::string>;

constexpr const char* card_name = "README.md";
constexpr const char* yaml_name = ".huggingface.yaml";
constexpr uint64_t largest_card = uint64_t{16} << 20;
constexpr size_t most_shown = 40;

// What is to be read of a snapshot.
struct Choice {
  std::string config;
  SplitFiles split;
  bool converted = false;  // by a script alone: the Parquet files that the hub made of it have to be taken
};

template <typename Items, typename Member>
Names names_of(const Items& items, Member member) {
  Names names;
  for (const auto& item : items) names.push_back(item.*member);
  return names;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string text_of(const fs::path& file) {
  return is_there(file) ? read_file(file, largest_card) : "";
}

// Whether a file that decides is there, or is known not to be in the repository.
bool is_decided(const Snapshot& snapshot, const char* name) {
  return is_there(snapshot.folder / name) || (snapshot.listing && !snapshot.listing->contains(name));
}

// Of configurations the one that is wanted: by name, or the only one, or the default, if there is one (datasets,
// utils/metadata.py).
template <typename Config>
const Config& choose_config(const std::vector<Config>& configs, const DatasetRequest& request,
                            const std::string& usual) {
  const std::string& repository = request.repository.name;
  if (request.config.empty() && configs.size() == 1) return configs.front();
  const auto found = std::ranges::find(configs, request.config.empty() ? usual : request.config, &Config::name);
  if (found != configs.end()) return *found;
  const std::string there = list_of(names_of(configs, &Config::name), most_shown);
  if (request.config.empty()) {
    bad_input("{}: has several configurations; give one, {}:CONFIG; there are: {}", repository, repository, there);
  }
  bad_input("{}: has no configuration {}; there are: {}", repository, request.config, there);
}

SplitFiles choose_split(const std::vector<SplitFiles>& splits, const DatasetRequest& request,
                        const std::string& config) {
  for (const std::string& wanted : request.splits) {
    const auto found = std::ranges::find(splits, wanted, &SplitFiles::split);
    if (found != splits.end()) return *found;
  }
  const std::string& repository = request.repository.name;
  bad_input("{}: its configuration {} has no split {}; give one, {}:{}:SPLIT; there are: {}", repository, config,
            fmt::join(request.splits, " or "), repository, config,
            list_of(names_of(splits, &SplitFiles::split), most_shown));
}

Choice choose_converted(const DatasetRequest& request, const Names& names) {
  const auto configs = converted_configs(names);
  if (configs.empty()) {
    bad_input("{}: holds no data files that are read here, nor has the hub made Parquet files of it",
              request.repository.name);
  }
  const ConvertedConfig& config = choose_config(configs, request, "default");
  return {config.name, choose_split(config.splits, request, config.name)};
}

std::string default_of(const std::vector<DatasetConfig>& configs) {
  for (const DatasetConfig& config : configs) {
    if (config.is_default || config.name == "default") return config.name;
  }
  return "";
}

bool runs_a_script(const RepositoryName& repository, const Names& names) {
  const std::string script = repository.name.substr(repository.name.rfind('/') + 1) + ".py";
  return std::ranges::find(names, script) != names.end();
}

void check_options(const DatasetConfig& config, const std::string& repository) {
  if (config.options.empty()) return;
  bad_input("{}: its configuration {} sets {}, which is not followed here; fetch its files and give them as files",
            repository, config.name, fmt::join(config.options, ", "));
}

Choice choose(const DatasetRequest& request, const Snapshot& snapshot) {
  const RepositoryName& repository = request.repository;
  if (!request.files.empty()) {
    return {request.config.empty() ? "default" : request.config, {request.splits.front(), request.files}};
  }
  const Names names = names_in(snapshot);
  if (repository.revision == converted_revision) return choose_converted(request, names);
  std::vector<DatasetConfig> configs =
      configs_of(text_of(snapshot.folder / card_name), text_of(snapshot.folder / yaml_name), repository.name + ": ");
  const bool script = runs_a_script(repository, names);
  if (configs.empty()) {
    if (script) return {.config = {}, .split = {}, .converted = true};
    configs.emplace_back();
  }
  const DatasetConfig& config = choose_config(configs, request, default_of(configs));
  if (script && !config.patterns) return {.config = {}, .split = {}, .converted = true};
  check_options(config, repository.name);
  const auto splits = splits_of(config, names, repository.name);
  if (splits.empty()) return {.config = {}, .split = {}, .converted = true};
  return {config.name, choose_split(splits, request, config.name)};
}

// What the choice means where the snapshot holds all of it.
std::optional<DatasetFiles> whole(const DatasetRequest& request, const Choice& choice, const Snapshot& snapshot) {
  const SplitFiles& split = choice.split;
  if (choice.converted || first_missing(split.files, snapshot)) return {};
  if (!snapshot.listing && split.by_glob && !is_whole_by_numbers(split.files)) return {};
  DatasetFiles found;
  for (const std::string& file : split.files) found.files.push_back(snapshot.folder / file);
  found.origin = {request.repository.name,
                  request.repository.revision,
                  snapshot.commit,
                  choice.config,
                  split.split,
                  "",
                  split.files};
  return found;
}

// The branch of converted files holds those of main alone.
DatasetRequest of_converted(DatasetRequest request) {
  const auto& [name, kind, revision] = request.repository;
  if (revision != RepositoryName().revision) {
    bad_input(
        "{}: revision {} has no data files that are read without running a script; leave out @{}, or give {}@{}, the "
        "Parquet files that the hub has made of main",
        name, revision, revision, name, converted_revision);
  }
  request.repository.revision = converted_revision;
  return request;
}

void check_readable(const DatasetRequest& request, const Names& files) {
  const auto unread = std::ranges::find_if_not(files, [&](const auto& file) { return request.reads(file); });
  if (unread == files.end()) return;
  bad_input("{}: its file {} is of a type, or packed in a way, that is not read here; fetch it, and give it in another",
            request.repository.name, *unread);
}

DatasetFiles fetch(const DatasetRequest& request, Progress& progress) {
  const RepositoryName& repository = request.repository;
  const Snapshot snapshot = fetch_small_files(repository, {card_name, yaml_name}, progress);
  if (!snapshot.listing && request.files.empty()) {
    failed("{}: hf did not say which files there are; bring it up to date: pip install -U huggingface_hub",
           repository.name);
  }
  const Choice choice = choose(request, snapshot);
  if (choice.converted) return find_dataset(of_converted(request), progress);
  if (const auto found = whole(request, choice, snapshot)) return *found;
  check_readable(request, choice.split.files);
  fetch_files(repository, choice.split.files, snapshot, progress);
  if (const auto found = whole(request, choice, snapshot)) return *found;
  refuse_missing(repository, first_missing(choice.split.files, snapshot).value_or(""), snapshot);
}

// What the cache lets one choose; nothing where it holds too little to tell.
std::optional<Choice> choose_cached(const DatasetRequest& request, const Snapshot& snapshot) {
  if (request.files.empty() && (!is_decided(snapshot, card_name) || !is_decided(snapshot, yaml_name))) {
    const bool older = !snapshot.listing && is_there(snapshot.folder / card_name);
    if (!older) return {};
  }
  try {
    return choose(request, snapshot);
  } catch (const Error&) {
    // A newer commit may have it.
    if (hub_is_offline() && snapshot.listing) throw;
    return {};
  }
}

struct Cached {
  std::optional<DatasetFiles> files;
  std::string missing;  // a file that is not there whole; "": not known
};

Cached look_in_cache(const DatasetRequest& request) {
  const fs::path folder = repository_folder(hub_cache(), request.repository);
  const auto snapshot = find_snapshot(folder, request.repository.revision);
  const auto choice = snapshot ? choose_cached(request, *snapshot) : std::nullopt;
  if (!choice) return {};
  if (choice->converted) return look_in_cache(of_converted(request));
  return {whole(request, *choice, *snapshot), first_missing(choice->split.files, *snapshot).value_or("a part of it")};
}

// A name, unless a path of that name exists.
std::optional<DatasetName> name_in(const std::string& given, TextPurpose purpose) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(given, ignored))) return {};
  return parse_dataset_name(given, purpose);
}

}  // namespace

DatasetFiles find_dataset(const DatasetRequest& request, Progress& progress) {
  Cached cached = look_in_cache(request);
  if (!cached.files && hub_is_offline()) refuse_offline(request.repository, cached.missing);
  DatasetFiles found = cached.files ? std::move(*cached.files) : fetch(request, progress);
  if (found.origin.revision != request.repository.revision) {
    progress.note(fmt::format("{}: its rows are those of the Parquet files that the hub has made of it ({})",
                              request.repository.name, found.origin.revision));
  }
  return found;
}

void check_text(const std::string& given, TextPurpose purpose) {
  if (name_in(given, purpose)) return;
  if (!is_there(given)) {
    bad_input("{}: no such file; give a file of text, wikitext2, c4 or ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub",
              given);
  }
  std::error_code ignored;
  if (fs::is_directory(given, ignored) && parse_dataset_name(given, purpose)) {
    bad_input(
        "{}: is a folder here, which goes before the data set of that name; give one file of it, or work in another "
        "folder",
        given);
  }
}

TextSource find_text(const std::string& given, TextPurpose purpose, Progress& progress) {
  check_text(given, purpose);
  const auto name = name_in(given, purpose);
  if (!name) return {fs::path(given)};
  DatasetFiles found =
      find_dataset({name->repository, name->config, name->splits, name->files, is_dataset_text}, progress);
  TextSource source;
  source.name = given;
  source.files = std::move(found.files);
  source.rules = name->rules;
  source.field = name->field;
  source.origin = std::move(found.origin);
  return source;
}

fs::path place_of_text(const std::string& given) {
  const auto name = name_in(given, TextPurpose::calibrate);
  return name ? repository_folder(hub_cache(), name->repository) : fs::path(given);
}

}  // namespace sleb
