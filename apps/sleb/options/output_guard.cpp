#include "apps/sleb/options/output_guard.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "sleb/base/environment.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/written_into.h"
#include "sleb/export/gguf/gguf_output.h"
#include "sleb/export/output_folder.h"
#include "sleb/export/result_sets.h"

namespace sleb::app {
namespace fs = std::filesystem;
namespace {

constexpr size_t most_files = 100'000;  // a checkpoint's folder has some dozen

std::optional<std::pair<dev_t, ino_t>> identity_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return std::pair(status.st_dev, status.st_ino);
}

// With its links resolved, as far as it exists.
fs::path place_of(const fs::path& path) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(fs::absolute(followed(path)), error);
  return error ? fs::absolute(path).lexically_normal() : place;
}

bool is_within(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// "\\040" for a blank, as /proc/self/mountinfo writes it (proc(5)).
std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 3 < text.size();
    out += escape ? static_cast<char>(std::strtol(text.substr(i + 1, 3).c_str(), nullptr, 8)) : text[i];
    if (escape) i += 3;
  }
  return out;
}

bool is_mount_point(const fs::path& place) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;  // the fifth is the mount point
    if (unescaped(field) == place.string()) return true;
  }
  return false;
}

std::vector<fs::path> homes() {
  std::vector<fs::path> folders;
  for (const auto& home : {home_folder(), recorded_home()}) {
    if (home && !home->empty()) folders.emplace_back(*home);
  }
  return folders;
}

// The other parts of a split GGUF, "NAME-00001-of-00003.gguf", stand beside the one that was named.
std::vector<fs::path> parts_beside(const fs::path& file) {
  const std::string name = file.filename().string();
  const size_t end = name.rfind("-of-");
  const size_t dash = end == name.npos || end == 0 ? name.npos : name.rfind('-', end - 1);
  if (dash == name.npos) return {};
  std::vector<fs::path> parts;
  std::error_code ignored;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(name.substr(0, dash + 1))) parts.push_back(entry.path());
  }
  return parts;
}

}  // namespace

void OutputGuard::add_input(const fs::path& file, const fs::path& named) {
  const auto identity = identity_of(file);
  if (!identity) return;
  inputs_.emplace(*identity, named);
  input_places_.push_back(place_of(file));
}

void OutputGuard::reads(const fs::path& input) {
  std::error_code ignored;
  if (input.empty() || !fs::exists(input, ignored)) return;
  add_input(input, input);
  if (!fs::is_directory(input, ignored)) {
    for (const fs::path& part : parts_beside(input)) add_input(part, input);
    return;
  }
  size_t files = 0;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator i(input, options, ignored), end; i != end && !ignored; i.increment(ignored)) {
    if (++files > most_files) break;
    std::error_code error;
    if (fs::is_regular_file(i->path(), error)) add_input(i->path(), input);
  }
}

void OutputGuard::reads_result(const fs::path& result) {
  if (result.empty()) return;
  const fs::path file = file_of_result(result);
  reads(file);
  const std::vector<std::string> names = files_in_record(file);
  for (size_t i = 0; i < std::min(names.size(), most_files); ++i) add_input(file.parent_path() / names[i], result);
}

void OutputGuard::check_no_input(std::string_view option, const fs::path& path) const {
  const auto identity = identity_of(path);
  const auto input = identity ? inputs_.find(*identity) : inputs_.end();
  if (input == inputs_.end()) return;
  bad_input("{} {}: would overwrite a file that this command reads (of {}); give another file", option, path.string(),
            input->second.string());
}

void OutputGuard::check_no_output(std::string_view option, const std::string& path) const {
  const fs::path place = place_of(path);
  const auto& [gguf_option, parts] = gguf_parts_;
  if (!parts.empty() && place.string().starts_with(parts) && is_gguf_output(place)) {
    bad_input("{} {}: {} may write a part of its GGUF there; give another file", option, path, gguf_option);
  }
  for (const auto& [other, output] : outputs_) {
    if (place == output) bad_input("{} {}: {} writes there too; give another file", option, path, other);
    if (is_within(place, output)) {
      bad_input("{} {}: lies inside the folder that {} writes; give a file elsewhere", option, path, other);
    }
  }
}

void OutputGuard::writes_file(std::string_view option, const std::string& path, bool replace) {
  if (path.empty() || path == "-") return;
  check_no_input(option, path);
  check_no_output(option, path);
  std::error_code ignored;
  if (!replace && !is_written_into(path) && fs::is_regular_file(path, ignored) && fs::file_size(path, ignored) > 0) {
    bad_input("{}: exists already; give another file, or --force to replace it", path);
  }
  check_writable(path);
  outputs_.emplace_back(option, place_of(path));
}

void OutputGuard::adds_to_file(std::string_view option, const std::string& path) {
  if (path.empty()) return;
  std::error_code ignored;
  fs::path folder = fs::absolute(path).parent_path();
  check_no_input(option, path);
  check_no_output(option, path);
  if (fs::is_directory(folder, ignored)) {
    check_appendable(path);
    outputs_.emplace_back(option, place_of(path));
    return;
  }
  while (!fs::exists(folder, ignored)) folder = folder.parent_path();
  if (!fs::is_directory(folder, ignored) || ::access(folder.c_str(), W_OK | X_OK) != 0) {
    bad_input("{} {}: no folder can be made in {}; give another --result-folder", option, path, folder.string());
  }
  outputs_.emplace_back(option, place_of(path));
}

void OutputGuard::keeps_file(std::string_view what, const fs::path& path) {
  if (path.empty()) return;
  check_no_input(what, path);
  const fs::path place = place_of(path);
  for (const auto& [other, output] : outputs_) {
    if (place == output) bad_input("{} {}: {} are kept there meanwhile; give another file", other, path.string(), what);
  }
  outputs_.emplace_back(what, place);
}

void OutputGuard::check_holds_no(std::string_view option, const std::string& path, const Identity& folder,
                                 const fs::path& kept, std::string_view what) const {
  for (fs::path at = place_of(kept); !at.empty(); at = at.parent_path()) {
    const auto identity = identity_of(at);
    if (identity && *identity == folder) {
      bad_input("{} {}: is or holds {}, which replacing it would delete; give another folder", option, path, what);
    }
    if (at == at.root_path()) return;
  }
}

void OutputGuard::writes_folder(std::string_view option, const std::string& path) {
  if (path.empty()) return;
  const fs::path place = place_of(path);
  if (const auto folder = identity_of(path)) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) bad_input("{} {}: is a file; give a folder", option, path);
    check_holds_no(option, path, *folder, ".", "the working directory");
    for (const auto& [identity, named] : inputs_) {
      if (identity == *folder) {
        bad_input("{} {}: is an input of this command ({}); give another folder", option, path, named.string());
      }
    }
    for (const fs::path& input : input_places_) {
      check_holds_no(option, path, *folder, input, fmt::format("an input of this command ({})", input.string()));
    }
    for (const fs::path& home : homes()) check_holds_no(option, path, *folder, home, "a home directory");
    if (place == place.root_path() || is_mount_point(place)) {
      bad_input("{} {}: is a mount point; give a folder below it", option, path);
    }
  }
  outputs_.emplace_back(option, place);
}

void OutputGuard::writes_checkpoint(std::string_view option, const std::string& path, bool replace) {
  if (!is_gguf_output(path)) return writes_folder(option, path);
  check_gguf_output(path, false, replace);
  writes_file(option, path, replace);
  writes_file(option, record_of(path).string(), replace);
  for (const fs::path& part : parts_of_gguf(followed(path))) check_no_input(option, part);
  const fs::path file = place_of(path);
  gguf_parts_ = {std::string(option), (file.parent_path() / file.stem()).string() + "-"};
}

}  // namespace sleb::app
