#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/base/random.h"
#include "sleb/base/utf8.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/lines.h"
#include "sleb/corpus/tables/table.h"

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

const FileType& type_of(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    bad_input(
        "{}: is a folder; give one file of it, .txt, .raw, .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv",
        path.string());
  }
  const std::string name = path.filename().string();
  for (const FileType& type : file_types) {
    if (name.ends_with(type.suffix)) return type;
  }
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

std::string text_field(std::string_view line, const std::string& label) {
  // A string that is cut off should be called so, not one with a line feed in it.
  if (line.ends_with('\n')) line.remove_suffix(1);
  const Json document = parse_json(line, label);
  return JsonView(document, label).at("text").string();
}

TextRows read_lines(const std::filesystem::path& path) {
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

// A table's rules, from its first rows.
class TableRules {
 public:
  void see(std::string_view text) {
    if (rows_ == rows_that_decide) return;
    ++rows_;
    lines_ = lines_ && (text.empty() || text.find('\n') == text.size() - 1);
  }

  bool decided() const { return !lines_ || rows_ == rows_that_decide; }
  RowRules rules() const { return lines_ ? RowRules::wikitext2 : RowRules::c4; }

 private:
  static constexpr int64_t rows_that_decide = 1100;
  int64_t rows_ = 0;
  bool lines_ = true;
};

TextRows read_table(const std::filesystem::path& path, size_t c4_texts) {
  TextRows result{path.filename().string(), RowRules::c4, {}};
  TableRules rules;
  result.column = for_each_text(path, [&](std::string_view text) {
    rules.see(text);
    result.rows.emplace_back(text);
    return !rules.decided() || rules.rules() == RowRules::wikitext2 || result.rows.size() < c4_texts;
  });
  result.rules = rules.rules();
  if (result.rules == RowRules::c4) result.rows.resize(std::min(result.rows.size(), c4_texts));
  return result;
}

// The first `count` places of the shuffle.
std::vector<int64_t> sampled(size_t rows, uint64_t seed, int64_t count) {
  std::vector<int64_t> order = numpy_permutation(seed, static_cast<int64_t>(rows));
  order.resize(std::min(order.size(), static_cast<size_t>(std::max(count, int64_t{0}))));
  return order;
}

// Read twice: how many rows there are decides which are wanted, and what a file says of their number is not to be
// trusted.
TextRows sample_table(const std::filesystem::path& path, uint64_t seed, int64_t count) {
  size_t total = 0;
  for_each_text(path, [&](std::string_view) { return ++total > 0; });
  const std::vector<int64_t> order = sampled(total, seed, count);
  std::unordered_map<int64_t, size_t> wanted;  // place in the sample by row
  for (size_t i = 0; i < order.size(); ++i) wanted[order[i]] = i;
  TextRows result{path.filename().string(), RowRules::c4, std::vector<std::string>(order.size())};
  TableRules rules;
  int64_t row = 0;
  result.column = for_each_text(path, [&](std::string_view text) {
    rules.see(text);
    const auto place = wanted.find(row++);
    if (place == wanted.end()) return true;
    result.rows[place->second] = text;
    wanted.erase(place);
    return !wanted.empty() || !rules.decided();
  });
  result.rules = rules.rules();
  return result;
}

}  // namespace

void check_utf8(std::string_view text, size_t before, const std::filesystem::path& path) {
  const size_t valid = valid_utf8_prefix(text);
  if (valid == text.size()) return;
  bad_input("{}: byte {} is not UTF-8 (0x{:02x}); convert the text, for example with iconv -t UTF-8", path.string(),
            before + valid, static_cast<unsigned char>(text[valid]));
}

TextRows read_rows(const std::filesystem::path& path) {
  return read_first_rows(path, std::numeric_limits<size_t>::max());
}

TextRows read_first_rows(const std::filesystem::path& path, size_t c4_texts) {
  if (is_table(path)) return read_table(path, c4_texts);
  TextRows text = read_lines(path);
  if (text.rules == RowRules::c4) text.rows.resize(std::min(text.rows.size(), c4_texts));
  return text;
}

TextRows read_sample(const std::filesystem::path& path, uint64_t seed, int64_t count) {
  if (is_table(path)) return sample_table(path, seed, count);
  TextRows text = read_lines(path);
  text.rows = sample_rows(text, seed, count);
  return text;
}

std::vector<std::string> sample_rows(const TextRows& rows, uint64_t seed, int64_t count) {
  std::vector<std::string> sample;
  for (const int64_t row : sampled(rows.rows.size(), seed, count)) {
    sample.push_back(rows.rows[static_cast<size_t>(row)]);
  }
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
