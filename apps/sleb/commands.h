// The commands: each declares its options on a CLI11 subcommand and sets what runs when it is chosen.
#pragma once

#include <CLI/CLI.hpp>

#include "sleb/base/progress.h"

namespace sleb::app {

// What every command gets from main.
struct Session {
  Progress& progress;
  std::string command_line;  // as typed, for the model card
};

void add_prune(CLI::App& app, Session& session);
void add_export(CLI::App& app, Session& session);
void add_info(CLI::App& app, Session& session);
void add_tokenize(CLI::App& app, Session& session);

}  // namespace sleb::app
