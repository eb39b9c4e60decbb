#include "sleb/report/table.h"

#include <algorithm>
#include <cassert>

#include "sleb/base/error.h"
#include "sleb/base/json.h"

namespace sleb {
namespace {

// RFC 4180.
std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

OrderedJson row_object(const std::vector<std::string>& columns, const std::vector<std::string>& cells) {
  OrderedJson object = OrderedJson::object();
  for (size_t i = 0; i < columns.size(); ++i) object[columns[i]] = cells[i];
  return object;
}

}  // namespace

TableFormat table_format(std::string_view name) {
  if (name == "md") return TableFormat::markdown;
  if (name == "csv") return TableFormat::csv;
  if (name == "json") return TableFormat::json;
  if (name == "jsonl") return TableFormat::jsonl;
  bad_input("-o {}: not known; give md, csv, json or jsonl", name);
}

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::markdown() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns_[i].size());
    for (const auto& row : rows_) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (size_t i = 0; i < cells.size(); ++i) {
      text += i == 0 ? fmt::format(" {:<{}} |", cells[i], widths[i]) : fmt::format(" {:>{}} |", cells[i], widths[i]);
    }
    return text + "\n";
  };
  std::string text = line(columns_) + "|";
  for (size_t i = 0; i < widths.size(); ++i) {
    text += i == 0 ? fmt::format(" {:-<{}} |", "", widths[i]) : fmt::format(" {:-<{}}: |", "", widths[i] - 1);
  }
  text += "\n";
  for (const auto& row : rows_) text += line(row);
  return text;
}

std::string Table::csv() const {
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : ",") + csv_cell(cells[i]);
    text += "\n";
  };
  add_line(columns_);
  for (const auto& row : rows_) add_line(row);
  return text;
}

std::string Table::text(TableFormat format) const {
  if (format == TableFormat::markdown) return markdown();
  if (format == TableFormat::csv) return csv();
  OrderedJson list = OrderedJson::array();
  std::string lines;
  for (const auto& row : rows_) {
    list.push_back(row_object(columns_, row));
    lines += list.back().dump() + "\n";
  }
  return format == TableFormat::json ? list.dump(2) + "\n" : lines;
}

}  // namespace sleb
