// A file of rows as JSON, compressed or not: one a line, or one array of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "sleb/base/json.h"
#include "sleb/corpus/lines.h"

namespace sleb {

// What is done with the rows, in their order.
struct JsonRows {
  // A line with its newline, which may be blank, and its number from 1. It is not parsed: not every row is wanted.
  std::function<void(std::string_view line, int64_t number)> line;
  // An element of the array; empty: the file is lines, whatever it begins with.
  std::function<void(const JsonView& row)> element;
};

// A byte order mark is passed over. Throws Error(bad_input) as for_each_line does, and for an array that is no JSON or
// has more than 256 MiB.
void for_each_json_row(const std::filesystem::path& path, Packing packing, const JsonRows& rows);

}  // namespace sleb
