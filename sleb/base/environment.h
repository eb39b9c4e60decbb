// Variables of the environment, and the home folder that they or the user database name.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace sleb {

// A variable's value, or nullptr.
using ReadVariable = std::function<const char*(const char* name)>;

const char* own_variable(const char* name);  // this process's

// The home folder that the user database has for a user (getpwnam(3)), "" being this process's; nothing for one that it
// does not know.
std::optional<std::string> recorded_home(const std::string& user = "");

// $HOME where it is set, be it empty, else the recorded one: what posixpath.expanduser makes of "~", but for slashes at
// its end. Nothing where there is neither.
std::optional<std::string> home_folder(const ReadVariable& variable = own_variable);

}  // namespace sleb
