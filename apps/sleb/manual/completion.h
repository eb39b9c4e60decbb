// Scripts by which a shell completes what is typed behind "sleb".
#pragma once

#include <string>
#include <vector>

#include "apps/sleb/manual/declarations.h"

namespace sleb::app {

// For bash's `source`, for a file _sleb in zsh's $fpath, and for fish's `source`. Commands, options, the values of
// those that take only some, and files.
std::string bash_completion(const std::vector<CommandDeclaration>& commands);
std::string zsh_completion(const std::vector<CommandDeclaration>& commands);
std::string fish_completion(const std::vector<CommandDeclaration>& commands);

}  // namespace sleb::app
