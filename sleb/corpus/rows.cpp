#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "sleb/base/error.h"
#include "sleb/base/random.h"
#include "sleb/base/utf8.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/row_pass.h"

namespace sleb {
namespace {

// A text's rules: those that are given, or its files' type has, or what the first rows of a table look like.
class Rules {
 public:
  explicit Rules(const TextSource& source) : known_(rules_of_type(source)) {}

  // Whether row `row` has to be seen.
  bool wants(int64_t row) const { return !decided() && row < rows_that_decide; }

  void see(std::string_view text) {
    if (known_ || rows_ == rows_that_decide) return;
    ++rows_;
    lines_ = lines_ && (text.empty() || text.find('\n') == text.size() - 1);
  }

  bool decided() const { return known_ || !lines_ || rows_ == rows_that_decide; }
  RowRules rules() const { return known_.value_or(lines_ ? RowRules::wikitext2 : RowRules::c4); }

 private:
  static constexpr int64_t rows_that_decide = 1100;
  std::optional<RowRules> known_;
  int64_t rows_ = 0;
  bool lines_ = true;
};

std::string short_name(const TextSource& source) {
  return source.origin ? source.name : std::filesystem::path(source.name).filename().string();
}

// The first `count` places of the shuffle.
std::vector<int64_t> sampled(size_t rows, uint64_t seed, int64_t count) {
  std::vector<int64_t> order = numpy_permutation(seed, static_cast<int64_t>(rows));
  order.resize(std::min(order.size(), static_cast<size_t>(std::max(count, int64_t{0}))));
  return order;
}

}  // namespace

void check_utf8(std::string_view text, size_t before, const std::filesystem::path& path) {
  const size_t valid = valid_utf8_prefix(text);
  if (valid == text.size()) return;
  bad_input("{}: byte {} is not UTF-8 (0x{:02x}); convert the text, for example with iconv -t UTF-8", path.string(),
            before + valid, static_cast<unsigned char>(text[valid]));
}

TextRows read_rows(const TextSource& source) {
  return read_first_rows(source, std::numeric_limits<size_t>::max());
}

TextRows read_first_rows(const TextSource& source, size_t c4_texts) {
  TextRows result{short_name(source), RowRules::c4, {}};
  Rules rules(source);
  const auto enough = [&] {
    return rules.decided() && rules.rules() == RowRules::c4 && result.rows.size() >= c4_texts;
  };
  const RowPass pass{.wanted = [&](int64_t) { return !enough(); },
                     .take =
                         [&](int64_t, std::string_view text) {
                           rules.see(text);
                           result.rows.emplace_back(text);
                         },
                     .finished = enough};
  result.column = pass_over(source, pass).column;
  result.rules = rules.rules();
  if (result.rules == RowRules::c4) result.rows.resize(std::min(result.rows.size(), c4_texts));
  return result;
}

// Read twice: how many rows there are decides which are wanted, and what a file says of their number is not to be
// trusted.
TextRows read_sample(const TextSource& source, uint64_t seed, int64_t count) {
  const auto never = [] { return false; };
  const PassedRows all = pass_over(source, {[](int64_t) { return false; }, [](int64_t, std::string_view) {}, never});
  const std::vector<int64_t> order = sampled(static_cast<size_t>(all.rows), seed, count);
  std::unordered_map<int64_t, size_t> wanted;  // place in the sample by row
  for (size_t i = 0; i < order.size(); ++i) wanted[order[i]] = i;
  TextRows result{short_name(source), RowRules::c4, std::vector<std::string>(order.size())};
  Rules rules(source);
  const auto take = [&](int64_t row, std::string_view text) {
    rules.see(text);
    const auto place = wanted.find(row);
    if (place == wanted.end()) return;
    result.rows[place->second] = text;
    wanted.erase(place);
  };
  const RowPass pass{.wanted = [&](int64_t row) { return rules.wants(row) || wanted.contains(row); },
                     .take = take,
                     .finished = [&] { return wanted.empty() && rules.decided(); }};
  result.column = pass_over(source, pass).column;
  result.rules = rules.rules();
  return result;
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
