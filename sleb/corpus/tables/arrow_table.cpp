#include "sleb/corpus/tables/arrow_table.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/corpus/gzip.h"
#include "sleb/corpus/tables/arrow_file.h"
#include "sleb/corpus/tables/arrow_values.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Of all records that are taken from one file: lists and nulls can be many in a small file.
constexpr int64_t values_limit = 50'000'000;

// Names that JSON can hold, none twice. `place` begins the message.
void check_names(const arrow::FieldVector& fields, const std::string& place) {
  std::set<std::string> names;
  for (const auto& field : fields) {
    if (!is_valid_utf8(field->name())) bad_input("{}: the name \"{}\" is not UTF-8", place, field->name());
    if (!names.insert(field->name()).second) bad_input("{}: two columns are named \"{}\"", place, field->name());
    check_names(field->type()->fields(), place);
  }
}

int text_column(const arrow::Schema& schema, const TextField& wanted, const std::string& place) {
  const std::string name = wanted.name.empty() ? "text" : wanted.name;
  const int named = schema.GetFieldIndex(name);
  if (named >= 0) {
    const auto& type = *schema.field(named)->type();
    if (!is_text(type)) bad_input("{}: the column \"{}\" is of type {}, not text", place, name, type.ToString());
    return named;
  }
  std::vector<int> found;
  std::vector<std::string> names;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (!is_text(*schema.field(i)->type())) continue;
    found.push_back(i);
    names.push_back(schema.field(i)->name());
  }
  if (found.empty()) bad_input("{}: has no column of text", place);
  if (found.size() > 1 || !wanted.name.empty()) {
    bad_input("{}: has no column \"{}\", but \"{}\"; {}", place, name, fmt::join(names, "\", \""), wanted.advice);
  }
  return found[0];
}

// Refuses text that is far larger than its file.
class TextLimit {
 public:
  TextLimit(uint64_t file_size, std::string place) : file_size_(file_size), place_(std::move(place)) {}

  // As a line of a text: empty ones swell too.
  void add(size_t size) {
    total_ += size + 1;
    const bool dense = total_ > gzip_ratio_checked_from && total_ / gzip_ratio_limit > file_size_;
    if (total_ > gzip_limit || dense) {
      bad_input("{}: {} bytes swell to more than {} bytes of text, which is not read here", place_, file_size_, total_);
    }
  }

 private:
  uint64_t file_size_, total_ = 0;  // bytes
  std::string place_;
};

std::vector<int> columns_with_json_form(const arrow::Schema& schema) {
  std::vector<int> columns;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (has_json_form(*schema.field(i)->type())) columns.push_back(i);
  }
  return columns;
}

Json record_at(const arrow::RecordBatch& batch, int64_t row, int64_t& budget) {
  Json record = Json::object();
  for (int i = 0; i < batch.num_columns(); ++i) {
    const std::string& name = batch.schema()->field(i)->name();
    budget -= values_worth(name);
    record[name] = json_at(*batch.column(i), row, budget);
  }
  return record;
}

}  // namespace

std::string for_each_arrow_text(const fs::path& path, const TextField& field,
                                const std::function<bool(std::string_view text)>& take) {
  ArrowFile file(path);
  check_names(file.schema().fields(), path.string());
  const int column = text_column(file.schema(), field, path.string());
  std::string name = file.schema().field(column)->name();
  file.select({column});
  TextLimit limit(file.size(), path.string());
  int64_t rows = 0;
  while (const auto batch = file.next()) {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      const auto text = text_at(*batch->column(0), row);
      ++rows;
      if (!text) bad_input("{}, row {}: lacks \"{}\"", path.string(), rows, name);
      limit.add(text->size());
      if (!take(*text)) return name;
    }
  }
  return name;
}

int64_t for_each_arrow_record(const fs::path& path, std::optional<int64_t> limit,
                              const std::function<void(int64_t row, Json record)>& take) {
  ArrowFile file(path);
  check_names(file.schema().fields(), path.string());
  const auto columns = columns_with_json_form(file.schema());
  if (columns.empty()) bad_input("{}: has no columns that are read here", path.string());
  file.select(columns);
  int64_t rows = 0, budget = values_limit;
  while (const auto batch = file.next()) {
    // A batch may claim any number of rows of nulls, which must not take their time.
    const int64_t wanted = limit ? std::clamp(*limit - rows, int64_t{0}, batch->num_rows()) : batch->num_rows();
    for (int64_t row = 0; row < wanted; ++row) {
      Json record = record_at(*batch, row, budget);
      if (budget < 0)
        bad_input("{}: holds more than {} values, 16 bytes of text counted as one", path.string(), values_limit);
      take(rows + row + 1, std::move(record));
    }
    rows += batch->num_rows();
  }
  return rows;
}

}  // namespace sleb
