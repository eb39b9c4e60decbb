// Files that a report is written to: their ending says what they are.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/report/page/page.h"

namespace sleb::app {

// Throws Error(bad_input) for an ending that is not written, .png among them: `option` ("-o") begins the message.
void check_report_file(std::string_view option, const std::string& file);

// Whether the file is a page, a picture or numbers that sleb wrote.
bool is_report(const std::string& file);

// --report of a command that has such a result.
void add_report_file(CLI::App& command, std::string& file);

// What `file` gets, by its ending.
std::string report_text(const std::string& file, std::span<const page::NamedResult> results);

// Writes a result as sleb.json has it; "" writes nothing.
void write_report(const std::string& file, const OrderedJson& result);
// sleb.svg of an output folder: the result's map and path.
std::string picture_of(const OrderedJson& result, const RemovalList& removed, int64_t num_blocks);

// Short names for results by their files: a folder's, or a file's without its ending; the whole path where two would be
// the same.
std::vector<std::string> names_of(std::span<const std::string> files);

}  // namespace sleb::app
