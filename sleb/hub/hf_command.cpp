#include "sleb/hub/hf_command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <string_view>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/hub/cache.h"
#include "sleb/hub/child_process.h"
#include "sleb/hub/download_failure.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds between_reports{200};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

// huggingface_hub's constants.py, ENV_VARS_TRUE_VALUES.
bool is_true(std::string value) {
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// Whether huggingface_hub will find one (utils/_auth.py); what it is, is its own business.
bool has_token() {
  if (!variable("HF_TOKEN").empty() || !variable("HUGGING_FACE_HUB_TOKEN").empty()) return true;
  std::error_code ignored;
  const std::string path = variable("HF_TOKEN_PATH");
  return fs::exists(path.empty() ? hub_home() / "token" : fs::path(path), ignored);
}

// The files that a download writes before they get their names. hf keeps none of them for another run.
std::set<fs::path> open_temporaries(pid_t process) {
  std::set<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", process), ignored)) {
    const fs::path file = fs::read_symlink(entry.path(), ignored);
    if (file.extension() == ".incomplete") files.insert(file);
  }
  return files;
}

// Holds hf's lock on a blob (flock(2), as its filelock does); false where another has it, or nobody can tell.
class BlobLock {
 public:
  explicit BlobLock(const fs::path& lock) : descriptor_(::open(lock.c_str(), O_RDWR | O_CLOEXEC)) {
    held_ = descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  }
  ~BlobLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  BlobLock(const BlobLock&) = delete;
  BlobLock& operator=(const BlobLock&) = delete;

  explicit operator bool() const { return held_; }

 private:
  int descriptor_;
  bool held_;
};

// Files BLOB.xxxxxxxx.incomplete of a repository, which hf never takes up again. (BLOB.incomplete belongs to programs
// that do resume.)
std::set<fs::path> temporaries_of(const fs::path& repository) {
  constexpr std::string_view random_part = ".xxxxxxxx";
  std::set<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(repository / "blobs", ignored)) {
    const fs::path& file = entry.path();
    const bool is_random = file.stem().extension().string().size() == random_part.size();
    if (file.extension() == ".incomplete" && is_random) files.insert(file);
  }
  return files;
}

// Those that no running download holds a lock for.
void remove_unlocked(const fs::path& repository, const std::set<fs::path>& files) {
  const fs::path locks = repository.parent_path() / ".locks" / repository.filename();
  std::error_code ignored;
  for (const fs::path& file : files) {
    const std::string blob = file.stem().stem().string();
    if (const BlobLock lock(locks / (blob + ".lock")); lock) fs::remove(file, ignored);
  }
}

// Removes what killed downloads left: nobody has written to it for an hour, as locks do not reach every machine that
// shares a cache.
void remove_left_temporaries(const fs::path& repository) {
  std::set<fs::path> files = temporaries_of(repository);
  std::erase_if(files, [](const fs::path& file) {
    std::error_code error;
    const auto written = fs::last_write_time(file, error);
    return error || fs::file_time_type::clock::now() - written < std::chrono::hours(1);
  });
  remove_unlocked(repository, files);
}

// What came since, of a download that failed.
void remove_new_temporaries(const fs::path& repository, const std::set<fs::path>& before) {
  std::set<fs::path> files = temporaries_of(repository);
  std::erase_if(files, [&](const fs::path& file) { return before.contains(file); });
  remove_unlocked(repository, files);
}

void remove_files(const std::set<fs::path>& files) {
  std::error_code ignored;
  for (const fs::path& file : files) fs::remove(file, ignored);
}

[[noreturn]] void stop(ChildProcess& hf, RepositoryKind kind) {
  const auto temporaries = open_temporaries(hf.pid());
  hf.stop();
  remove_files(temporaries);
  throw Interrupted(
      fmt::format("stopped while fetching the {}; files that came whole are kept, the same command fetches the rest",
                  word_for(kind)));
}

// {"path": "..."}, the last line.
fs::path path_in(const std::string& output, const fs::path& program) {
  const size_t end = output.find_last_not_of(" \n");
  const size_t line = end == output.npos ? output.npos : output.rfind('\n', end);
  try {
    const std::string text = output.substr(line == output.npos ? 0 : line + 1);
    const Json json = parse_json(text, "output");
    return JsonView(json, "output").at("path").string();
  } catch (const Error&) {
    failed("{}: did not say where it put the files; bring it up to date: pip install -U huggingface_hub",
           program.string());
  }
}

}  // namespace

fs::path find_hf() {
  if (std::string own = variable("SLEB_HF"); !own.empty()) {
    if (is_program(own)) return own;
    failed("SLEB_HF={}: no program; give the path of huggingface_hub's command hf", own);
  }
  if (const fs::path built_with = SLEB_PYTHON_PROGRAMS; !built_with.empty() && is_program(built_with / "hf")) {
    return built_with / "hf";
  }
  const std::string path = variable("PATH");
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    fs::path program = fs::path(path.substr(begin, end - begin)) / "hf";
    if (end > begin && is_program(program)) return program;
    begin = end + 1;
  }
  failed(
      "models and data sets by name are fetched by huggingface_hub's command hf, which is not there: pip install "
      "huggingface_hub");
}

fs::path hf_download(const RepositoryName& repository, const std::vector<std::string>& patterns,
                     const std::function<void()>& working) {
  const fs::path program = find_hf();
  const fs::path folder = repository_folder(hub_cache(), repository);
  remove_left_temporaries(folder);
  const std::set<fs::path> before = temporaries_of(folder);
  std::vector<std::string> arguments = {"download",          repository.name, "--revision",
                                        repository.revision, "--format",      "json"};
  if (repository.kind == RepositoryKind::dataset) arguments.insert(arguments.end(), {"--repo-type", "dataset"});
  for (const std::string& pattern : patterns) arguments.insert(arguments.end(), {"--include", pattern});
  ChildProcess hf(program, arguments, {{"HF_HUB_DISABLE_PROGRESS_BARS", "1"}, {"HF_HUB_DISABLE_UPDATE_CHECK", "1"}});
  while (!hf.wait(between_reports)) {
    if (interrupt_requested()) stop(hf, repository.kind);
    working();
  }
  if (interrupt_requested()) stop(hf, repository.kind);
  if (hf.exit_code() == 0) return path_in(hf.output(), program);
  remove_new_temporaries(folder, before);
  throw download_error({repository, hf.errors(), hf.exit_code(), program, hub_cache(), hub_endpoint(), has_token()});
}

bool hub_shares_contents() {
  return !is_true(variable("HF_HUB_DISABLE_SHARED_BLOBS")) && !is_true(variable("HF_HUB_DISABLE_XET"));
}

bool hub_is_offline() {
  const std::string own = variable("HF_HUB_OFFLINE");
  return is_true(own.empty() ? variable("TRANSFORMERS_OFFLINE") : own);
}

std::string hub_endpoint() {
  std::string endpoint = variable("HF_ENDPOINT");
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint.empty() ? "https://huggingface.co" : without_credentials(endpoint);
}

}  // namespace sleb
