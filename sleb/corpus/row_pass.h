// One pass over the rows of a text, of which only those that are wanted are decoded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "sleb/corpus/text_source.h"

namespace sleb {

struct RowPass {
  // Whether the text of a row is wanted, by its number from 0 through all files; asked once for each, in order.
  std::function<bool(int64_t row)> wanted;
  std::function<void(int64_t row, std::string_view text)> take;
  // Nothing more is wanted: the pass may end early.
  std::function<bool()> finished;
};

struct PassedRows {
  int64_t rows = 0;  // that were passed
  std::string column = "text";
};

// The rules that a file's type brings with it; nothing for a table, whose rows decide (rows.cpp). Throws
// Error(bad_input) for a name whose type is not known.
std::optional<RowRules> rules_of_type(const TextSource& source);

// Whether a file of a data set has a name whose rows are read.
bool is_dataset_text(const std::filesystem::path& file);

// What read_rows (corpus.h) says of types, rows and errors holds here. A row that is not wanted may be malformed, but
// for the first of a data set of JSON, which says what field its texts are in.
PassedRows pass_over(const TextSource& source, const RowPass& pass);

}  // namespace sleb
