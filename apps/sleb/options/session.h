// What main gives every command, and what a command's failure says.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/base/torchrun_environment.h"

namespace sleb::app {

// What every command gets from main.
struct Session {
  Progress& progress;
  std::string command_line;            // as typed, with what --config adds; for the model card
  std::vector<std::string> arguments;  // after the program's name, option names with hyphens
  TorchrunEnvironment environment;
  std::filesystem::path config_file = {};  // "": none
};

// Thrown where another of many processes tells the user.
struct ToldElsewhere {
  ErrorKind kind;
};

// For commands that make no sense in many processes. Throws Error(bad_input) in the first of them, ToldElsewhere in the
// others.
void check_alone(const Session& session, std::string_view command);

// What the exception in flight says to the user.
struct Failure {
  ErrorKind kind;
  std::string message;
};
Failure current_failure();

}  // namespace sleb::app
