// --removal-list: of the commands that take one, and of those that set several pruned models beside the dense one. What
// no model could have is refused while the options are read, before a model is looked for.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "sleb/engine/plans/removal_list.h"

namespace sleb::app {

// An option that may be given several times; CLI11's own lists would take "[5, 4, 9]" apart.
CLI::Option* add_repeatable(CLI::App& command, const std::string& name, const std::string& description,
                            const std::function<void(const std::string&)>& take);

// `more`: what the description ends with.
CLI::Option* add_removal_list(CLI::App& command, std::string& text, const std::string& more = "");

// --removal-list that may be given again; `again`: what a further list is ("a further row of the table").
void add_removal_lists(CLI::App& command, std::vector<std::string>& texts, const std::string& again);

// One list a --removal-list, in their order. Throws Error(bad_input) for an empty list, for two of the same blocks, and
// for what parse_removal_list refuses.
std::vector<RemovalList> parse_removal_lists(const std::vector<std::string>& texts, const ModelSpec& spec);

}  // namespace sleb::app
