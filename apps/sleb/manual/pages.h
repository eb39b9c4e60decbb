// The commands and their options as pages to read.
#pragma once

#include <string>
#include <vector>

#include "apps/sleb/manual/declarations.h"

namespace sleb::app {

// docs/options.md: a table of options a command, in Markdown.
std::string options_page(const std::vector<CommandDeclaration>& commands);

// sleb(1), in the macros of man(7).
std::string man_page(const std::vector<CommandDeclaration>& commands, const std::string& version);

}  // namespace sleb::app
