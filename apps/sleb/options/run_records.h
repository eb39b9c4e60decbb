// Where a record of the run is added, for those who keep the published code's files: --result-folder, --result-file.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "apps/sleb/options/output_guard.h"
#include "apps/sleb/options/results.h"

namespace sleb::app {

struct RecordArguments {
  std::string usual_file;  // in the published code
  std::optional<std::string> folder = {};
  std::optional<std::string> file = {};
  std::string save = {};  // --save-results: "True", "False"; "": not said

  bool wanted() const;
  // "": the user asked for no record.
  std::string path() const;
};

// Not shown in the help, as they are the published code's.
void add_records(CLI::App& command, RecordArguments& arguments);
// These and --json, -o and --force, of a command that measures.
void add_measured_results(CLI::App& command, ResultArguments& results, bool& force, RecordArguments& record);
// Throws Error(bad_input) if it is no file's name, if nothing can be added there, or if it is a file that the command
// reads or writes otherwise.
void guard_record(OutputGuard& guard, const RecordArguments& arguments);
// At the file's end; makes the folder, if need be. To be called last, when all else is written and shown. Throws
// Error(failed).
void add_record(const RecordArguments& arguments, const std::string& record);

}  // namespace sleb::app
