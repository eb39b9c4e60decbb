// The one table printer: results as text for people, or in a form for programs.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

enum class TableFormat { markdown, csv, json, jsonl };

// "md", "csv", "json", "jsonl". Throws Error(bad_input) for anything else.
TableFormat table_format(std::string_view name);

// What people read, rounded and with units, and what programs read: a number in full, null for what there is not.
struct Cell {
  Cell(std::string words) : text(std::move(words)), value(text) {}
  Cell(const char* words) : Cell(std::string(words)) {}
  Cell(std::string words, OrderedJson number) : text(std::move(words)), value(std::move(number)) {}

  std::string text;
  OrderedJson value;
};

class Table {
 public:
  // One column a name; all but the first are aligned to the right in Markdown.
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void add(std::vector<Cell> cells);
  // Ends with a newline. Markdown shows the cells' texts, CSV and JSON their values, JSON under the columns' names.
  std::string text(TableFormat format) const;
  // A list of rows.
  OrderedJson json() const;

 private:
  std::string markdown() const;
  std::string csv() const;

  std::vector<std::string> columns_;
  std::vector<std::vector<Cell>> rows_;
};

struct NamedTable {
  std::string name;
  Table table;
};
// One document in every format. Tables have different columns, so JSON puts several under their names.
std::string text_of(std::span<const NamedTable> tables, TableFormat format);

}  // namespace sleb
