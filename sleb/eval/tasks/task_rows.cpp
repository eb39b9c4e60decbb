#include "sleb/eval/tasks/task_rows.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/corpus/json_rows.h"
#include "sleb/corpus/tables/table.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view suffixes[] = {".jsonl", ".jsonl.gz", ".parquet", ".arrow", ".csv", ".tsv"};

// What stands between the data set's name and the suffix: ".validation"; nothing for the names of other files.
std::optional<std::string> middle_of(std::string_view file, std::string_view name) {
  if (!file.starts_with(name)) return {};
  file.remove_prefix(name.size());
  for (const std::string_view suffix : suffixes) {
    if (!file.ends_with(suffix)) continue;
    const std::string_view middle = file.substr(0, file.size() - suffix.size());
    if (middle.empty() || (middle.starts_with('.') && middle.size() > 1)) return std::string(middle);
  }
  return {};
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) entries.push_back(entry->path());
  if (error) bad_input("{}: can't be read as a folder: {}", folder.string(), error.message());
  std::ranges::sort(entries);
  return entries;
}

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == line.npos;
}

// Appends them.
void read_json(const fs::path& file, std::optional<int64_t> limit, TaskRows& result) {
  const auto is_wanted = [&] { return ++result.total, !limit || result.total <= *limit; };
  const auto add = [&](Json fields, std::string place) {
    if (!fields.is_object()) bad_input("{}: expected an object", place);
    result.rows.push_back({std::move(fields), std::move(place)});
  };
  JsonRows rows;
  rows.line = [&](std::string_view line, int64_t number) {
    if (is_blank_line(line) || !is_wanted()) return;
    if (line.ends_with('\n')) line.remove_suffix(1);
    std::string place = fmt::format("{}, line {}", file.string(), number);
    Json fields = parse_json(line, place);
    add(std::move(fields), std::move(place));
  };
  rows.element = [&](const JsonView& row) {
    if (is_wanted()) add(row.raw(), row.place());
  };
  for_each_json_row(file, file.extension() == ".gz" ? Packing::gzip : Packing::none, rows);
}

// Appends them.
void read_records(const fs::path& file, std::optional<int64_t> limit, TaskRows& result) {
  if (limit) limit = std::max<int64_t>(0, *limit - result.total);
  result.total += for_each_record(file, limit, [&](int64_t row, Json record) {
    result.rows.push_back({std::move(record), fmt::format("{}, row {}", file.string(), row)});
  });
}

}  // namespace

TaskFiles find_task_files(const fs::path& folder, const std::string& name) {
  std::optional<fs::path> rows, examples;
  for (const fs::path& entry : entries_of(folder)) {
    const auto middle = middle_of(entry.filename().string(), name);
    if (!middle) continue;
    auto& place = *middle == ".train" ? examples : rows;
    if (place) {
      bad_input("{}: both {} and {} could be the rows of {}; keep one", folder.string(), place->filename().string(),
                entry.filename().string(), name);
    }
    place = entry;
  }
  if (!rows) {
    bad_input(
        "{}: has no rows of {}: no file {}.jsonl, {}.validation.jsonl or the like, with or without .gz, nor .parquet, "
        ".arrow, .csv or .tsv",
        folder.string(), name, name, name);
  }
  TaskFiles files{.rows = {*rows}};
  if (examples) files.examples.push_back(*examples);
  return files;
}

bool reads_task_rows(const fs::path& file) {
  const fs::path unpacked = file.extension() == ".gz" ? file.stem() : file;
  const std::string ending = unpacked.extension().string();
  return is_table(file) || ending == ".jsonl" || ending == ".ndjson" || ending == ".json";
}

TaskRows read_task_rows(const std::vector<fs::path>& files, std::optional<int64_t> limit) {
  TaskRows result{.file = files.at(0)};
  for (const fs::path& file : files) (is_table(file) ? read_records : read_json)(file, limit, result);
  if (result.rows.empty()) bad_input("{}: has no rows", result.file.string());
  return result;
}

}  // namespace sleb
