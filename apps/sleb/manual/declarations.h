// What the commands' options are, as they were declared to CLI11: what help, completion, the man page and the page of
// options are made of.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sleb::app {

struct OptionDeclaration {
  std::vector<std::string> names = {};    // "--out", "-o"; of a positional its name alone
  std::string value = {};                 // "DIR"; "" of a flag
  std::vector<std::string> choices = {};  // of those that take only these
  std::string default_value = {};
  std::string description = {};
  bool required = false;
};

struct CommandDeclaration {
  std::string name;
  std::string description;
  std::vector<OptionDeclaration> positionals;
  std::vector<OptionDeclaration> options;
  std::string footer;  // examples
};

// Of every command that help shows, with the options that help shows.
std::vector<CommandDeclaration> commands_of(const CLI::App& app);

}  // namespace sleb::app
