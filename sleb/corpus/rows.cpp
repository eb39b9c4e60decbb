#include <algorithm>
#include <string_view>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/base/random.h"
#include "sleb/base/utf8.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/lines.h"

namespace sleb {
namespace {

struct FileType {
  std::string_view suffix;
  RowRules rules;
  bool compressed;
};

constexpr FileType file_types[] = {
    {".txt", RowRules::wikitext2, false}, {".raw", RowRules::wikitext2, false}, {".jsonl", RowRules::c4, false},
    {".jsonl.gz", RowRules::c4, true},    {".json.gz", RowRules::c4, true},
};

// What people give for a text, and what to do with it.
struct Refusal {
  std::string_view suffix, what;
};

constexpr Refusal refusals[] = {
    {".parquet",
     "a Parquet file, which is not read here; write its rows as .jsonl, each an object with the field text"},
    {".arrow", "an Arrow file, which is not read here; write its rows as .jsonl, each an object with the field text"},
    {".csv", "a table, which is not read here; write its rows as .jsonl, each an object with the field text"},
    {".json", "one JSON document or lines of them? rename it to .jsonl if each line is an object with the field text"},
    {".zip", "an archive; unpack it"},
    {".txt.gz", "a packed text; unpack it"},
    {".raw.gz", "a packed text; unpack it"},
    {".zst", "packed by zstd, which is not read here; unpack it"},
    {".npy", "an array; give ready ids with --tokens"},
};

const FileType& type_of(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    bad_input("{}: is a folder; give one file of it, .txt, .raw, .jsonl, .jsonl.gz or .json.gz", path.string());
  }
  const std::string name = path.filename().string();
  for (const FileType& type : file_types) {
    if (name.ends_with(type.suffix)) return type;
  }
  for (const Refusal& refusal : refusals) {
    if (name.ends_with(refusal.suffix)) bad_input("{}: {}", path.string(), refusal.what);
  }
  bad_input("{}: not a text file by its name; rows are read from .txt, .raw, .jsonl, .jsonl.gz and .json.gz",
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

std::string text_field(std::string_view line, const std::string& label) {
  // A string that is cut off should be called so, not one with a line feed in it.
  if (line.ends_with('\n')) line.remove_suffix(1);
  const Json document = parse_json(line, label);
  return JsonView(document, label).at("text").string();
}

}  // namespace

void check_utf8(std::string_view text, size_t before, const std::filesystem::path& path) {
  const size_t valid = valid_utf8_prefix(text);
  if (valid == text.size()) return;
  bad_input("{}: byte {} is not UTF-8 (0x{:02x}); convert the text, for example with iconv -t UTF-8", path.string(),
            before + valid, static_cast<unsigned char>(text[valid]));
}

TextRows read_rows(const std::filesystem::path& path) {
  const FileType& type = type_of(path);
  TextRows result{path.filename().string(), type.rules, {}};
  int64_t number = 0;
  size_t before = 0;  // bytes of the lines so far
  for_each_line(path, type.compressed ? Packing::gzip : Packing::none, [&](std::string_view line) {
    check_interrupt();
    ++number;
    if (type.rules == RowRules::wikitext2) {
      check_utf8(line, before, path);
      for_each_python_line(
          line, [&](std::string row) { result.rows.push_back(is_blank(row) ? std::string() : std::move(row)); });
    } else if (!is_blank(line)) {
      result.rows.push_back(text_field(line, fmt::format("{}, line {}", path.string(), number)));
    }
    before += line.size();
  });
  return result;
}

std::vector<std::string> sample_rows(const TextRows& rows, uint64_t seed, int64_t count) {
  std::vector<int64_t> order = numpy_permutation(seed, static_cast<int64_t>(rows.rows.size()));
  order.resize(std::min(order.size(), static_cast<size_t>(std::max(count, int64_t{0}))));
  std::vector<std::string> sample;
  sample.reserve(order.size());
  for (int64_t row : order) sample.push_back(rows.rows[static_cast<size_t>(row)]);
  return sample;
}

std::string join_rows(const std::vector<std::string>& rows, RowRules rules) {
  const std::string_view separator = rules == RowRules::wikitext2 ? "\n\n" : " ";
  size_t size = 0;
  for (const std::string& row : rows) size += row.size() + separator.size();
  std::string text;
  text.reserve(size);
  for (const std::string& row : rows) {
    if (&row != &rows.front()) text += separator;
    text += row;
  }
  return text;
}

}  // namespace sleb
