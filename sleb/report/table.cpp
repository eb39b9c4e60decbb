#include "sleb/report/table.h"

#include <algorithm>
#include <cassert>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// RFC 4180; nothing for null.
std::string csv_cell(const OrderedJson& value) {
  if (value.is_null()) return "";
  std::string cell = value.is_string() ? value.get<std::string>() : value.dump();
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// A cell stays on its line and between its bars (GitHub Flavored Markdown, section 4.10).
std::string markdown_cell(const std::string& cell) {
  std::string text;
  for (const char c : cell) text += c == '|' ? "\\|" : c == '\n' || c == '\r' ? " " : std::string(1, c);
  return text;
}

}  // namespace

TableFormat table_format(std::string_view name) {
  if (name == "md") return TableFormat::markdown;
  if (name == "csv") return TableFormat::csv;
  if (name == "json") return TableFormat::json;
  if (name == "jsonl") return TableFormat::jsonl;
  bad_input("-o {}: not known; give md, csv, json or jsonl", name);
}

void Table::add(std::vector<Cell> cells) {
  assert(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::markdown() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns_[i].size());
    for (const auto& row : rows_) widths[i] = std::max(widths[i], markdown_cell(row[i].text).size());
  }
  std::string text = "|";
  const auto add_cell = [&](size_t i, const std::string& cell) {
    text += i == 0 ? fmt::format(" {:<{}} |", cell, widths[i]) : fmt::format(" {:>{}} |", cell, widths[i]);
  };
  for (size_t i = 0; i < columns_.size(); ++i) add_cell(i, columns_[i]);
  text += "\n|";
  for (size_t i = 0; i < widths.size(); ++i) {
    text += i == 0 ? fmt::format(" {:-<{}} |", "", widths[i]) : fmt::format(" {:-<{}}: |", "", widths[i] - 1);
  }
  text += '\n';
  for (const auto& row : rows_) {
    text += '|';
    for (size_t i = 0; i < row.size(); ++i) add_cell(i, markdown_cell(row[i].text));
    text += '\n';
  }
  return text;
}

std::string Table::csv() const {
  std::string text;
  for (size_t i = 0; i < columns_.size(); ++i) text += (i == 0 ? "" : ",") + csv_cell(columns_[i]);
  text += '\n';
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : ",") + csv_cell(row[i].value);
    text += '\n';
  }
  return text;
}

OrderedJson Table::json() const {
  OrderedJson list = OrderedJson::array();
  for (const auto& row : rows_) {
    OrderedJson object = OrderedJson::object();
    for (size_t i = 0; i < columns_.size(); ++i) object[columns_[i]] = row[i].value;
    list.push_back(std::move(object));
  }
  return list;
}

std::string Table::text(TableFormat format) const {
  if (format == TableFormat::markdown) return markdown();
  if (format == TableFormat::csv) return csv();
  if (format == TableFormat::json) return json().dump(2) + "\n";
  std::string lines;
  for (const OrderedJson& row : json()) lines += row.dump() + "\n";
  return lines;
}

std::string text_of(std::span<const NamedTable> tables, TableFormat format) {
  if (format == TableFormat::json && tables.size() > 1) {
    OrderedJson all;
    for (const auto& [name, table] : tables) all[name] = table.json();
    return all.dump(2) + "\n";
  }
  std::string text;
  for (const auto& [name, table] : tables) {
    if (!text.empty() && format != TableFormat::jsonl) text += '\n';
    text += table.text(format);
  }
  return text;
}

}  // namespace sleb
