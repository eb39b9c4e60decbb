#include "sleb/hub/cache.h"

#include <algorithm>
#include <cctype>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t largest_ref = 4096;
constexpr uint64_t largest_listing = uint64_t{256} << 20;
constexpr int64_t listing_version = 1;

std::string text_or(const char* value, const std::string& otherwise) {
  return value == nullptr ? otherwise : value;
}

// posixpath.join.
std::string joined(const std::string& folder, const std::string& name) {
  if (name.starts_with('/') || folder.empty()) return name;
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

// posixpath.expanduser.
std::string with_home(const std::string& path, const ReadVariable& variable) {
  if (!path.starts_with('~')) return path;
  const size_t end = std::min(path.find('/'), path.size());
  auto home = end == 1 ? home_folder(variable) : recorded_home(path.substr(1, end - 1));
  if (!home) return path;
  while (home->ends_with('/')) home->pop_back();
  const std::string expanded = *home + path.substr(end);
  return expanded.empty() ? "/" : expanded;
}

bool is_identifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// posixpath.expandvars: names that are not set stay as they stand.
std::string with_variables(const std::string& path, const ReadVariable& variable) {
  std::string out;
  for (size_t i = 0; i < path.size();) {
    size_t begin = i + 1;
    size_t end = begin;
    size_t next = begin;
    if (path[i] == '$' && begin < path.size() && path[begin] == '{') {
      begin += 1;
      end = path.find('}', begin);
      next = end + 1;
    } else if (path[i] == '$') {
      while (end < path.size() && is_identifier(path[end])) ++end;
      next = end;
    }
    const bool named = path[i] == '$' && end != path.npos && end > begin;
    const char* value = named ? variable(path.substr(begin, end - begin).c_str()) : nullptr;
    out += value == nullptr ? path.substr(i, 1) : value;
    i = value == nullptr ? i + 1 : next;
  }
  return out;
}

std::string expanded(const std::string& path, const ReadVariable& variable) {
  return with_variables(with_home(path, variable), variable);
}

std::string home_of(const ReadVariable& variable) {
  const std::string xdg = text_or(variable("XDG_CACHE_HOME"), joined(with_home("~", variable), ".cache"));
  return expanded(text_or(variable("HF_HOME"), joined(xdg, "huggingface")), variable);
}

// Of a listing, which says what it likes: nothing that leads out of a folder.
bool is_hash(const std::string& text) {
  return text.size() >= 40 && std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

}  // namespace

fs::path hub_cache(const ReadVariable& variable) {
  const std::string older = text_or(variable("HUGGINGFACE_HUB_CACHE"), joined(home_of(variable), "hub"));
  const std::string cache = expanded(text_or(variable("HF_HUB_CACHE"), older), variable);
  // ".." behind a link leads where the system says.
  std::error_code ignored;
  const fs::path named = fs::absolute(cache.empty() ? fs::path(".") : fs::path(cache));
  fs::path place = fs::weakly_canonical(named, ignored);
  return place.empty() ? named : place;
}

fs::path hub_cache() {
  return hub_cache(own_variable);
}

fs::path hub_home() {
  return home_of(own_variable);
}

fs::path repository_folder(const fs::path& cache, const RepositoryName& repository) {
  std::string folder = repository.kind == RepositoryKind::model ? "models--" : "datasets--";
  for (const char c : repository.name) folder += c == '/' ? "--" : std::string(1, c);
  return cache / folder;
}

std::optional<Snapshot> find_snapshot(const fs::path& repository_folder, const std::string& revision) {
  std::string commit = revision;
  if (!is_commit_hash(commit)) {
    try {
      commit = read_file(repository_folder / "refs" / revision, largest_ref);
    } catch (const Error&) {
      return {};
    }
    while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back())) != 0) commit.pop_back();
    if (!is_commit_hash(commit)) return {};
  }
  return Snapshot{repository_folder / "snapshots" / commit, commit,
                  read_listing(repository_folder / "trees" / (commit + ".json"))};
}

std::optional<Listing> read_listing(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {};
  try {
    const std::string label = file.string();
    const Json json = parse_json(read_file(file, largest_listing), label);
    const JsonView view(json, label);
    if (view.at("format_version").integer() != listing_version) return {};
    const JsonView files = view.at("files");
    if (!files.is_object()) return {};
    Listing listing;
    for (const auto& [name, entry] : files.raw().items()) {
      if (!is_inner_path(name)) continue;
      const JsonView member = files.at(name);
      const std::string key = member.has("lfs_size") ? "lfs_size" : "size";
      ListedFile listed{static_cast<uint64_t>(member.at(key).integer(0)), member.string_or("lfs_sha256", "")};
      listed.blob = listed.sha256.empty() ? member.string_or("blob_id", "") : listed.sha256;
      listed.xet = member.string_or("xet_hash", "");
      listing.emplace(name, std::move(listed));
    }
    return listing;
  } catch (const Error&) {
    return {};
  }
}

bool has_content(const fs::path& repository_folder, const ListedFile& file) {
  return is_hash(file.blob) && is_file(repository_folder / "blobs" / file.blob);
}

bool has_shared_content(const fs::path& cache, const ListedFile& file) {
  const fs::path shared = cache / "blobs";
  if (!is_hash(file.xet) || !is_file(shared / ".huggingface-shared-blobs")) return false;
  const fs::path content = shared / file.xet.substr(0, 2) / file.xet;
  std::error_code error;
  return fs::is_regular_file(fs::symlink_status(content, error)) && fs::file_size(content, error) == file.bytes;
}

std::vector<std::string> names_in(const Snapshot& snapshot) {
  std::vector<std::string> names;
  if (snapshot.listing) {
    for (const auto& [name, file] : *snapshot.listing) names.push_back(name);
    return names;
  }
  std::error_code ignored;
  for (fs::recursive_directory_iterator i(snapshot.folder, ignored), end; i != end && !ignored; i.increment(ignored)) {
    if (is_file(i->path())) names.push_back(i->path().lexically_relative(snapshot.folder).generic_string());
  }
  std::ranges::sort(names);
  return names;
}

std::optional<std::string> first_missing(const std::vector<std::string>& files, const Snapshot& snapshot) {
  for (const std::string& file : files) {
    const fs::path path = snapshot.folder / file;
    if (!is_file(path)) return file;
    if (!snapshot.listing) continue;
    const auto listed = snapshot.listing->find(file);
    std::error_code ignored;
    if (listed != snapshot.listing->end() && fs::file_size(path, ignored) != listed->second.bytes) return file;
  }
  return {};
}

}  // namespace sleb
