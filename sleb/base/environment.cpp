#include "sleb/base/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace sleb {

const char* own_variable(const char* name) {
  return std::getenv(name);
}

std::optional<std::string> recorded_home(const std::string& user) {
  const passwd* record = user.empty() ? ::getpwuid(::getuid()) : ::getpwnam(user.c_str());
  if (record == nullptr || record->pw_dir == nullptr) return {};
  return record->pw_dir;
}

std::optional<std::string> home_folder(const ReadVariable& variable) {
  const char* named = variable("HOME");
  return named == nullptr ? recorded_home() : named;
}

}  // namespace sleb
