// Comma-separated values as pandas.read_csv reads them, which Hugging Face datasets reads them with.
//
// Not through Arrow's own reader (arrow/csv/api.h, version 26), which no option keeps from giving other texts without a
// word: of a file that is cut off within quotes, as an unfinished download is, it takes what there is of the last text,
// where pandas refuses the file; and of one column it takes a line of blanks for a text, where pandas skips it. Texts
// longer than a block of its memory it refuses.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// Cuts CSV text into records. A record ends with "\n", "\r\n" or "\r"; a field that begins with a quote reaches to the
// closing one and may hold anything, quotes twice; what follows up to the separator belongs to it too. Lines of blanks
// are no records.
class CsvReader {
 public:
  // `text` must outlive the reader. A byte order mark in front is skipped.
  CsvReader(std::string_view text, char separator);

  // The next record's fields, or nothing at the end. They are valid until the next call.
  const std::vector<std::string>* next();

  size_t line() const { return record_line_; }  // on which the record began, from 1
  bool cut_off() const { return cut_off_; }     // the text ended within quotes
  // Where the record's bytes begin and end in the text.
  size_t begin() const { return record_begin_; }
  size_t end() const { return place_; }

 private:
  bool skip_blank_line();
  bool at_end_of_line() const;
  void end_line();
  void read_quoted(std::string& field);
  void read_field(std::string& field);

  std::string_view text_;
  char separator_;
  size_t place_ = 0;
  size_t line_ = 1;
  size_t record_begin_ = 0;
  size_t record_line_ = 1;
  bool cut_off_ = false;
  std::vector<std::string> fields_;
};

// A column's values, of which nothing stands for a field that a short record lacks, by the first type that fits all of
// them: whole numbers, numbers, booleans, text; what pandas takes for a missing value ("", "NA", "null", ...) is null.
// Whole numbers beside nulls become floats, as in pandas; beyond 64 bits, or unsigned ones
// beside nulls, they stay text.
std::vector<Json> typed_column(std::span<const std::optional<std::string>> values);

}  // namespace sleb
