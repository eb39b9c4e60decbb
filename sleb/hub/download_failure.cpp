#include "sleb/hub/download_failure.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "sleb/hub/child_process.h"

namespace sleb {
namespace {

constexpr size_t longest_line = 300;

bool says(std::string_view text, std::initializer_list<std::string_view> phrases) {
  for (const std::string_view phrase : phrases) {
    if (text.find(phrase) != text.npos) return true;
  }
  return false;
}

// "Error: ..." as hf reports what it knows, else the last line, in which Python names an exception that nobody caught.
std::string own_line(std::string_view errors) {
  const size_t known = errors.rfind("\nError: ");
  const size_t begin = errors.starts_with("Error: ") ? 7 : known == errors.npos ? errors.npos : known + 8;
  if (begin != errors.npos) {
    const size_t end = std::min(errors.find('\n', begin), begin + longest_line);
    return without_credentials(std::string(errors.substr(begin, end - begin)));
  }
  while (!errors.empty() && (errors.back() == '\n' || errors.back() == ' ')) errors.remove_suffix(1);
  const size_t last = errors.rfind('\n');
  return without_credentials(std::string(errors.substr(last == errors.npos ? 0 : last + 1).substr(0, longest_line)));
}

std::string page_of(const FailedDownload& download) {
  const std::string_view folder = download.repository.kind == RepositoryKind::dataset ? "datasets/" : "";
  return fmt::format("{}/{}{}", download.endpoint, folder, download.repository.name);
}

template <typename... Arguments>
Error wrong(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  return {ErrorKind::bad_input, fmt::format(text, std::forward<Arguments>(arguments)...)};
}

template <typename... Arguments>
Error failure(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  return {ErrorKind::failed, fmt::format(text, std::forward<Arguments>(arguments)...)};
}

Error access_error(const FailedDownload& download) {
  const std::string& repository = download.repository.name;
  if (download.has_token) {
    return wrong(
        "{}: is gated, and the account of your token has no access: accept its licence on {}, and give the token the "
        "permission to read gated repositories",
        repository, page_of(download));
  }
  return wrong("{}: is gated: accept its licence on {}, then log in with: hf auth login", repository,
               page_of(download));
}

Error absence_error(const FailedDownload& download) {
  const std::string& repository = download.repository.name;
  const std::string_view kind = word_for(download.repository.kind);
  if (download.has_token) {
    return wrong("{}: no such file or folder here, and no such {} on {} that your token may read; check the name",
                 repository, kind, download.endpoint);
  }
  return wrong(
      "{}: no such file or folder here, and no such {} on {}; check the name, or, if it is private, log in with: hf "
      "auth login",
      repository, kind, download.endpoint);
}

}  // namespace

Error download_error(const FailedDownload& download) {
  const std::string& errors = download.errors;
  const std::string& repository = download.repository.name;
  const std::string line = own_line(errors);
  const std::string program = download.program.string();
  if (download.exit_code == ChildProcess::could_not_start && errors.empty()) {
    return failure("{}: can't be started; install it anew: pip install huggingface_hub", program);
  }
  if (says(errors, {"No space left on device", "Disk quota exceeded", "File too large"})) {
    return failure("{}: no room in {}; free some, or set HF_HOME to a folder on another disk; what came whole is kept",
                   repository, download.cache.string());
  }
  if (download.exit_code < 0) {
    return failure("{}: hf was killed by signal {} ({}); the same command fetches the rest", repository,
                   -download.exit_code, ::strsignal(-download.exit_code));
  }
  if (says(errors, {"GatedRepoError", "requires approval"})) return access_error(download);
  if (says(errors, {"Revision not found", "RevisionNotFoundError"})) {
    if (download.repository.revision == converted_revision) {
      return wrong(
          "{}: holds no data files that are read here, and the hub has made no Parquet files of it; a script, if it "
          "has "
          "one, is not run",
          repository);
    }
    return wrong("{}: has no revision {}; give a branch, a tag or a commit's whole hash", repository,
                 download.repository.revision);
  }
  if (says(errors, {"RepositoryNotFoundError"}) || says(line, {"' not found.", "Repository not found."})) {
    return absence_error(download);
  }
  if (says(errors, {"offline mode is enabled", "OfflineModeIsEnabled"})) {
    return failure("{}: not whole in {}, and HF_HUB_OFFLINE is set; unset it to fetch the rest", repository,
                   download.cache.string());
  }
  if (says(errors, {"401 Unauthorized", "401 Client Error"})) {
    return wrong("{}: {} refuses your token; log in anew with: hf auth login", repository, download.endpoint);
  }
  if (says(errors, {"403 Forbidden"})) {
    return wrong("{}: {} forbids it to your account or your network; see {}", repository, download.endpoint,
                 page_of(download));
  }
  if (says(errors, {"429 Too Many Requests"})) {
    return failure("{}: {} answers too many requests from here for now; wait some minutes{}", repository,
                   download.endpoint, download.has_token ? "" : ", or log in for more with: hf auth login");
  }
  if (says(errors, {"Server error '5", "500 Internal", "502 Bad", "503 Service", "504 Gateway"})) {
    return failure("{}: {} has an error of its own; try again later", repository, download.endpoint);
  }
  if (says(errors, {"Consistency check failed", "peer closed connection", "IncompleteRead", "RemoteProtocolError"})) {
    return failure("{}: a file did not come as long as {} said; the same command fetches it again", repository,
                   download.endpoint);
  }
  if (says(errors, {"does not seem to be served by a Hugging Face Hub"})) {
    return failure("{}: {} does not answer as the hub does; check HF_ENDPOINT and proxies", repository,
                   download.endpoint);
  }
  if (says(errors, {"Connection refused", "ConnectError", "ConnectTimeout", "ReadTimeout", "timed out", "ProxyError",
                    "Name or service not known", "Temporary failure in name resolution", "Network is unreachable",
                    "No route to host", "CERTIFICATE_VERIFY_FAILED", "Connection reset"})) {
    return failure(
        "{}: no such file or folder here, and can't reach {} ({}); check the network and proxies; what is whole in the "
        "cache needs neither",
        repository, download.endpoint, line);
  }
  if (says(errors, {"Permission denied", "Read-only file system", "Not a directory", "File exists:"})) {
    return failure("{}: can't write in {}; set HF_HOME to a folder that you may write in ({})", repository,
                   download.cache.string(), line);
  }
  if (says(errors, {"No such option", "No such command", "unrecognized arguments", "invalid choice"})) {
    return failure("{}: too old for sleb; bring it up to date: pip install -U huggingface_hub", program);
  }
  return failure("{}: {} download failed: {}", repository, program, line.empty() ? "it says nothing" : line);
}

std::string without_credentials(std::string text) {
  for (size_t host = text.find("://"); host != text.npos; host = text.find("://", host)) {
    host += 3;
    const size_t end = std::min(text.find_first_of("/ '\"\n", host), text.size());
    const size_t user = text.substr(host, end - host).rfind('@');
    if (user != text.npos) text.erase(host, user + 1);
  }
  return text;
}

}  // namespace sleb
