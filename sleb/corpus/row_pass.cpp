#include "sleb/corpus/row_pass.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/gzip.h"
#include "sleb/corpus/json_rows.h"
#include "sleb/corpus/tables/table.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

enum class FileKind { lines, json, table };

struct FileType {
  FileKind kind;
  Packing packing = Packing::none;
};

struct KnownType {
  std::string_view suffix;
  FileType type;
};

constexpr KnownType known_types[] = {
    {".txt", {FileKind::lines}},
    {".raw", {FileKind::lines}},
    {".jsonl", {FileKind::json}},
    {".jsonl.gz", {FileKind::json, Packing::gzip}},
    {".json.gz", {FileKind::json, Packing::gzip}},
};

// Those that Hugging Face datasets reads beside them.
constexpr KnownType dataset_types[] = {
    {".json", {FileKind::json}},
    {".ndjson", {FileKind::json}},
    {".ndjson.gz", {FileKind::json, Packing::gzip}},
    {".txt.gz", {FileKind::lines, Packing::gzip}},
};

// What people give for a text, and what to do with it.
struct Refusal {
  std::string_view suffix, what;
};

constexpr Refusal refusals[] = {
    {".json", "one JSON document or lines of them? rename it to .jsonl if each line is an object with the field text"},
    {".zip", "an archive; unpack it"},
    {".txt.gz", "a packed text; unpack it"},
    {".raw.gz", "a packed text; unpack it"},
    {".zst", "packed by zstd, which is not read here; unpack it"},
    {".parquet.gz", "a packed table; unpack it"},
    {".arrow.gz", "a packed table; unpack it"},
    {".csv.gz", "a packed table; unpack it"},
    {".tsv.gz", "a packed table; unpack it"},
    {".npy", "an array; give ready ids with --tokens"},
};

std::optional<FileType> type_by_name(const fs::path& path, bool of_dataset) {
  if (is_table(path)) return FileType{FileKind::table};
  const std::string name = path.filename().string();
  for (const KnownType& known : known_types) {
    if (name.ends_with(known.suffix)) return known.type;
  }
  for (const KnownType& known : dataset_types) {
    if (of_dataset && name.ends_with(known.suffix)) return known.type;
  }
  return {};
}

FileType type_of(const fs::path& path, bool of_dataset) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    bad_input(
        "{}: is a folder; give one file of it, .txt, .raw, .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv",
        path.string());
  }
  if (const auto type = type_by_name(path, of_dataset)) return *type;
  const std::string name = path.filename().string();
  for (const Refusal& refusal : refusals) {
    if (name.ends_with(refusal.suffix)) bad_input("{}: {}", path.string(), refusal.what);
  }
  bad_input(
      "{}: not a text file by its name; rows are read from .txt, .raw, .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, "
      ".csv and .tsv",
      path.string());
}

// What Python's str.strip() takes for blank beyond ASCII: U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029,
// U+202F, U+205F and U+3000.
constexpr std::string_view wide_blanks[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83",
    "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a",
    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

// Bytes of the blank character that `text` begins with; 0 where it begins with another one.
size_t blank_at_start(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first == ' ' || (first >= 0x09 && first <= 0x0d) || (first >= 0x1c && first <= 0x1f) ? 1 : 0;
  for (std::string_view blank : wide_blanks) {
    if (text.starts_with(blank)) return blank.size();
  }
  return 0;
}

// not line.strip(), in Python: the condition under which the data set's own script makes a row empty.
bool is_blank(std::string_view line) {
  while (!line.empty()) {
    const size_t size = blank_at_start(line);
    if (size == 0) return false;
    line.remove_prefix(size);
  }
  return true;
}

// A line that ends in "\n" as the lines that Python's text mode makes of it: "\r\n" and a lone "\r" end a line, as
// "\n".
void for_each_python_line(std::string_view line, const std::function<void(std::string)>& take) {
  for (size_t end = line.find('\r'); end != line.npos; end = line.find('\r')) {
    take(std::string(line.substr(0, end)) + "\n");
    line.remove_prefix(end + (line.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  if (!line.empty()) take(std::string(line));
}

// The passes over all files of a source share it.
class Pass {
 public:
  Pass(const TextSource& source, const RowPass& pass) : source_(source), pass_(pass) {
    passed_.column = source.field.empty() ? "text" : source.field;
  }

  void read(const fs::path& path) {
    const FileType type = type_of(path, source_.origin.has_value());
    if (type.kind == FileKind::table) return read_table(path);
    if (type.kind == FileKind::lines) return read_lines(path, type.packing);
    read_json(path, type.packing);
  }

  bool finished() const { return pass_.finished(); }
  const PassedRows& passed() const { return passed_; }

 private:
  // The next row, whose text `text` makes.
  template <typename MakeText>
  void row(const MakeText& text) {
    const int64_t number = passed_.rows++;
    if (pass_.wanted(number)) pass_.take(number, text());
  }

  void read_lines(const fs::path& path, Packing packing) {
    size_t before = 0;  // bytes of the lines so far
    for_each_line(path, packing, [&](std::string_view line) {
      check_interrupt();
      check_utf8(line, before, path);
      before += line.size();
      for_each_python_line(line, [&](const std::string& one) { row([&] { return row_of(one); }); });
    });
  }

  // Of a data set's file as its loader for text makes it (datasets, packaged_modules/text), of others as WikiText-2's.
  std::string_view row_of(std::string_view line) const {
    if (source_.origin) return line.ends_with('\n') ? line.substr(0, line.size() - 1) : line;
    return is_blank(line) ? std::string_view() : line;
  }

  void read_json(const fs::path& path, Packing packing) {
    JsonRows rows;
    rows.line = [&](std::string_view line, int64_t number) {
      if (is_blank(line)) return;
      const auto label = [&] { return fmt::format("{}, line {}", path.string(), number); };
      if (seeks_field()) find_field_of(line, label());
      row([&] { return text_in(line, label()); });
    };
    // A data set's file may be one array of rows.
    if (source_.origin) {
      rows.element = [&](const JsonView& record) {
        if (seeks_field()) settle_field(record);
        row([&] { return text_of(record); });
      };
    }
    for_each_json_row(path, packing, rows);
  }

  std::string text_in(std::string_view line, const std::string& label) {
    // A string that is cut off should be called so, not one with a line feed in it.
    if (line.ends_with('\n')) line.remove_suffix(1);
    const Json record = parse_json(line, label);
    return text_of(JsonView(record, label));
  }

  // The first row of a data set says which field its texts are in, whether it is wanted or not.
  bool seeks_field() const { return source_.origin && source_.field.empty() && !field_known_; }

  void find_field_of(std::string_view line, const std::string& label) {
    const Json record = parse_json(line, label);
    settle_field(JsonView(record, label));
  }

  void settle_field(const JsonView& record) {
    if (!field_known_ && record.is_object() && !record.raw().contains(passed_.column)) find_field(record);
    field_known_ = true;
  }

  std::string text_of(const JsonView& record) {
    // An array of strings makes rows {"text": ...} (datasets, packaged_modules/json).
    if (source_.origin && record.is_string() && passed_.column == "text") return record.string();
    if (source_.origin) settle_field(record);
    return record.at(passed_.column).string();
  }

  // The only one of text, where the user named none and none is called "text".
  void find_field(const JsonView& record) {
    std::vector<std::string> texts;
    for (const auto& [name, value] : record.raw().items()) {
      if (value.is_string()) texts.push_back(name);
    }
    if (!source_.field.empty() || texts.size() != 1) {
      record.fail(
          fmt::format("has no field \"{}\", but \"{}\"; {}", passed_.column, fmt::join(texts, "\", \""), advice()));
    }
    passed_.column = texts[0];
  }

  std::string advice() const {
    return source_.origin ? fmt::format("name one of them: {}:{}:{}:FIELD", source_.origin->repository,
                                        source_.origin->config, source_.origin->split)
                          : "rename one of them";
  }

  void read_table(const fs::path& path) {
    const TextField field{table_column_.empty() ? source_.field : table_column_, advice()};
    passed_.column = table_column_ = for_each_text(path, field, [&](std::string_view text) {
      row([&] { return text; });
      return !finished();
    });
  }

  const TextSource& source_;
  const RowPass& pass_;
  PassedRows passed_;
  bool field_known_ = false;  // of JSON: that of the first row
  std::string table_column_;  // of the first table: the others have it too
};

}  // namespace

bool is_dataset_text(const fs::path& file) {
  return type_by_name(file, /*of_dataset=*/true).has_value();
}

std::optional<RowRules> rules_of_type(const TextSource& source) {
  if (source.rules) return source.rules;
  switch (type_of(source.files.at(0), source.origin.has_value()).kind) {
    case FileKind::lines:
      return RowRules::wikitext2;
    case FileKind::json:
      return RowRules::c4;
    case FileKind::table:
      break;
  }
  return {};
}

PassedRows pass_over(const TextSource& source, const RowPass& pass) {
  Pass files(source, pass);
  for (const fs::path& file : source.files) {
    if (files.finished()) break;
    files.read(file);
  }
  return files.passed();
}

}  // namespace sleb
