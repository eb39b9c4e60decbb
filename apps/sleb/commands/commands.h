// The commands: each declares its options on a CLI11 subcommand and sets what runs when it is chosen.
#pragma once

#include <CLI/CLI.hpp>

#include "apps/sleb/options/session.h"

namespace sleb::app {

// The commands of this program: of sleb in commands.cpp, of sleb-engine in engine_commands.cpp.
void add_commands(CLI::App& app, Session& session);
// What --version says: of sleb-engine, which knows the libraries that it runs with and the machine's devices.
std::string version_text(const Session& session);

void add_prune(CLI::App& app, Session& session);
void add_eval(CLI::App& app, Session& session);
void add_repair(CLI::App& app, Session& session);
void add_latency(CLI::App& app, Session& session);
void add_generate(CLI::App& app, Session& session);
void add_export(CLI::App& app, Session& session);
void add_recipe(CLI::App& app, Session& session);
void add_report(CLI::App& app, Session& session);
void add_info(CLI::App& app, Session& session);
void add_tokenize(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);
void add_manual(CLI::App& app, Session& session);

}  // namespace sleb::app
