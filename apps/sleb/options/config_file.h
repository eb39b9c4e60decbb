// --config FILE.toml: options from a file, as if they stood on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace sleb::app {

// A command line whose options may come from a file.
struct Configured {
  std::vector<std::string> arguments;  // the command first; without --config
  std::filesystem::path file;          // ""; no --config was given
  std::vector<std::string> notes;      // what the user should know, one line each
};

// The command of that name; nullptr: there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name);

// The arguments without --config, and its file, which is not read. Throws Error(bad_input) if there is no command, or
// --config has no value or stands twice.
Configured without_config_file(const std::vector<std::string>& arguments);

// The arguments with what the file of --config says behind the command: a key is an option's name without hyphens in
// front, or "model"; true is the bare option, false none; numbers in an array are one value with commas, its texts and
// arrays one option each. Keys stand for any command of `app` at the beginning of the file, and in a table [prune] for
// that command alone. What the command line says itself goes first, then what the command's own table says: before the
// same option, and before those that it excludes.
// Throws Error(bad_input) if the file can't be read, is no TOML, says an option twice, or holds anything else.
Configured with_config_file(const std::vector<std::string>& arguments, const CLI::App& app);

}  // namespace sleb::app
