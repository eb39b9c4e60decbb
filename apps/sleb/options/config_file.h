// --config FILE.toml: options from a file, as if they stood on the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sleb::app {

// A command line whose options may come from a file.
struct Configured {
  std::vector<std::string> arguments;  // the command first; without --config
  std::filesystem::path file;          // ""; no --config was given
};

// The arguments with what the file of --config says behind the command: a key is an option's name without hyphens in
// front, or "model"; true is the bare option, false none; numbers in an array are one value with commas, its texts and
// arrays one option each. Keys stand for any command at the beginning of the file, and in a table [prune] for that
// command alone. What the command line says itself goes first. `commands`: the names that a table may have.
// Throws Error(bad_input) if the file can't be read, is no TOML, or holds anything else.
Configured with_config_file(const std::vector<std::string>& arguments, const std::vector<std::string>& commands);

}  // namespace sleb::app
