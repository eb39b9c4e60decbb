// Where results go: a table on standard output, JSON in a file or on standard output.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "apps/sleb/options/output_guard.h"
#include "sleb/base/json.h"

namespace sleb::app {

struct ResultArguments {
  std::string json;                   // file; "": none; "-": standard output
  std::optional<std::string> format;  // of the table, where the user gave one

  const std::string& table_format() const;
  bool json_to_output() const { return json == "-"; }
};

// --json. With `what`: "Write the result".
void add_json(CLI::App& command, std::string& json, const std::string& what);
// --force of commands that write files only.
void add_force(CLI::App& command, bool& force);
// -o.
void add_table_format(CLI::App& command, std::optional<std::string>& format);

// Throws Error(bad_input) if the table and the JSON would both go to standard output because the user said so.
void check_one_output(const ResultArguments& results);

// Writes `json` to `path` with a final newline; "" writes nothing, "-" to standard output.
void write_json(const std::string& path, const OrderedJson& json);

}  // namespace sleb::app
