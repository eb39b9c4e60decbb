#include "sleb/checkpoint/model_location.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <string>

#include "sleb/base/error.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// The name of a model whose parts are called NAME-00001-of-00003.gguf; of a file that is no part, its own.
std::string name_without_part(const std::string& file) {
  const size_t of = file.rfind("-of-");
  const size_t dash = of == file.npos || of == 0 ? file.npos : file.rfind('-', of - 1);
  return dash == file.npos ? file : file.substr(0, dash);
}

// By name the first file of each model.
std::map<std::string, fs::path> ggufs_in(const fs::path& folder) {
  std::map<std::string, fs::path> models;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!has_gguf_ending(entry.path()) || !entry.is_regular_file(ignored)) continue;
    const auto [model, is_new] = models.emplace(name_without_part(name), entry.path());
    if (!is_new) model->second = std::min(model->second, entry.path());
  }
  return models;
}

ModelLocation locate_in_folder(const fs::path& folder) {
  std::error_code unknown;  // a link in a circle, say: opening it tells
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json"}) {
    if (fs::exists(fs::symlink_status(folder / name, unknown))) return {folder, false};
  }
  const auto models = ggufs_in(folder);
  if (models.empty()) return {folder, false};
  if (models.size() == 1) return {models.begin()->second, true};
  std::string names;
  for (const auto& [name, file] : models) names += (names.empty() ? "" : ", ") + file.filename().string();
  bad_input("{}: holds several GGUF models; give one of them: {}", folder.string(), names);
}

}  // namespace

bool has_gguf_ending(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".gguf";
}

bool is_gguf_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  char begin[4] = {};
  std::ifstream(path, std::ios::binary).read(begin, sizeof begin);
  return std::string_view(begin, sizeof begin) == "GGUF";
}

ModelLocation locate_model(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    bad_input("{}: no such model; give a checkpoint folder, a .gguf file or a name on the hub, org/name",
              path.string());
  }
  if (fs::is_directory(path, ignored)) return locate_in_folder(path);
  // What is called .gguf and is none is refused by its reader, which says why.
  if (is_gguf_file(path) || has_gguf_ending(path)) return {path, true};
  bad_input("{}: not a model; give a checkpoint folder or a .gguf file", path.string());
}

}  // namespace sleb
