#include "sleb/corpus/tables/csv_table.h"

#include <fmt/ranges.h>

#include <set>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/tables/csv.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// A short record is filled with nulls: without a limit, a line of commas would multiply every short line.
constexpr size_t columns_limit = 1000;
constexpr size_t most_absent = 1'000'000;

// A file's records behind the one that names the columns.
class CsvFile {
 public:
  explicit CsvFile(const fs::path& path) : file_(path), reader_(file_.text(), path.extension() == ".tsv" ? '\t' : ',') {
    const auto* header = read();
    if (header == nullptr) bad_input("{}: has no columns", path.string());
    if (header->size() > columns_limit) bad_input("{}: has more than {} columns", path.string(), columns_limit);
    std::set<std::string> names;
    for (const std::string& name : *header) {
      // So pandas names the index that it writes itself by default.
      columns_.push_back(name.empty() ? fmt::format("Unnamed: {}", columns_.size()) : name);
      if (!names.insert(columns_.back()).second) {
        bad_input("{}: two columns are named \"{}\"", path.string(), columns_.back());
      }
    }
  }

  const std::vector<std::string>& columns() const { return columns_; }
  size_t line() const { return reader_.line(); }

  // At most as many fields as there are columns; null at the end.
  const std::vector<std::string>* next() {
    const auto* record = read();
    if (record != nullptr && record->size() > columns_.size()) {
      bad_input("{}, line {}: has {} fields, and there are {} columns", file_.path().string(), line(), record->size(),
                columns_.size());
    }
    return record;
  }

 private:
  const std::vector<std::string>* read() {
    check_interrupt();
    const auto* record = reader_.next();
    if (record == nullptr) return nullptr;
    if (reader_.cut_off()) {
      bad_input("{}, line {}: a quoted field has no end", file_.path().string(), reader_.line());
    }
    check_utf8(file_.text().substr(reader_.begin(), reader_.end() - reader_.begin()), reader_.begin(), file_.path());
    return record;
  }

  MappedFile file_;
  CsvReader reader_;
  std::vector<std::string> columns_;
};

size_t text_column(const CsvFile& file, const TextField& wanted, const fs::path& path) {
  const auto& columns = file.columns();
  const std::string name = wanted.name.empty() ? "text" : wanted.name;
  const auto found = std::ranges::find(columns, name);
  if (found != columns.end()) return static_cast<size_t>(found - columns.begin());
  if (columns.size() > 1 || !wanted.name.empty()) {
    bad_input("{}: has no column \"{}\", but \"{}\"; {}", path.string(), name, fmt::join(columns, "\", \""),
              wanted.advice);
  }
  return 0;
}

}  // namespace

std::string for_each_csv_text(const fs::path& path, const TextField& field,
                              const std::function<bool(std::string_view text)>& take) {
  CsvFile file(path);
  const size_t column = text_column(file, field, path);
  while (const auto* record = file.next()) {
    if (record->size() <= column)
      bad_input("{}, line {}: lacks \"{}\"", path.string(), file.line(), file.columns()[column]);
    if (!take((*record)[column])) break;
  }
  return file.columns()[column];
}

int64_t for_each_csv_record(const fs::path& path, std::optional<int64_t> limit,
                            const std::function<void(int64_t row, Json record)>& take) {
  CsvFile file(path);
  const auto& names = file.columns();
  std::vector<std::vector<std::optional<std::string>>> values(names.size());
  int64_t rows = 0;
  size_t absent = 0;  // fields that short records lack
  for (; const auto* record = file.next(); ++rows) {
    absent += names.size() - std::min(names.size(), record->size());
    if (absent > most_absent) bad_input("{}, line {}: too many records lack fields", path.string(), file.line());
    for (size_t i = 0; i < names.size(); ++i) {
      values[i].push_back(i < record->size() ? std::optional((*record)[i]) : std::nullopt);
    }
  }
  std::vector<std::vector<Json>> typed;
  for (auto& column : values) {
    typed.push_back(typed_column(column));
    column = {};
  }
  for (int64_t row = 0; row < rows && row < limit.value_or(rows); ++row) {
    Json record = Json::object();
    for (size_t i = 0; i < names.size(); ++i) record[names[i]] = std::move(typed[i][static_cast<size_t>(row)]);
    take(row + 1, std::move(record));
  }
  return rows;
}

}  // namespace sleb
