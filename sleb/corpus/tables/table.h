// Tables on disk as rows of text and as records: Parquet, Arrow (IPC, file or stream), CSV and TSV.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sleb/base/json.h"

namespace sleb {

// By its name: .parquet, .arrow, .csv, .tsv.
bool is_table(const std::filesystem::path& path);

// Which column holds the texts.
struct TextField {
  std::string name = {};                      // "": "text", or the only column of text
  std::string advice = "rename one of them";  // what to do where that does not say one
};

// Calls `take` with the text of each row in file order, until it returns false. Returns the column's name. Throws
// Error(bad_input), naming file and row, for a file that can't be read as what its name says, several columns of text
// without one named "text", a row without a text, text that is not UTF-8 or swells as gzip_limit and gzip_ratio_limit
// forbid.
std::string for_each_text(const std::filesystem::path& path, const TextField& field,
                          const std::function<bool(std::string_view text)>& take);

// Calls `take` with the first `limit` rows, or all, each an object with a member for each column; returns the file's
// number of rows. Rows count from 1. Columns of types that JSON lacks (binary, dates, decimals, maps) are left out; a
// missing value is null. Throws Error(bad_input).
int64_t for_each_record(const std::filesystem::path& path, std::optional<int64_t> limit,
                        const std::function<void(int64_t row, Json record)>& take);

}  // namespace sleb
