// The one table printer: results as text for people, or in a form for programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sleb {

enum class TableFormat { markdown, csv, json, jsonl };

// "md", "csv", "json", "jsonl". Throws Error(bad_input) for anything else.
TableFormat table_format(std::string_view name);

class Table {
 public:
  // One column a name; all but the first are aligned to the right in Markdown.
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void add(std::vector<std::string> cells);
  // Ends with a newline. JSON values are strings, under the columns' names.
  std::string text(TableFormat format) const;

 private:
  std::string markdown() const;
  std::string csv() const;

  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sleb
