// What a failure of `hf download` says to the user: one line, and what to do.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "sleb/base/error.h"
#include "sleb/hub/repository_name.h"

namespace sleb {

// What is known of a download that failed.
struct FailedDownload {
  RepositoryName repository;
  std::string errors;  // what hf wrote to standard error
  int exit_code = 1;   // or -signal
  std::filesystem::path program;
  std::filesystem::path cache;
  std::string endpoint;    // "https://huggingface.co"
  bool has_token = false;  // a token is known to huggingface_hub
};

// The classes and messages are those of huggingface_hub (errors.py, cli/_errors.py) and of Python's OSError; what is
// not known is hf's own line.
Error download_error(const FailedDownload& download);

// Without names and passwords in the addresses of a text: "https://me:secret@hub" becomes "https://hub".
std::string without_credentials(std::string text);

}  // namespace sleb
