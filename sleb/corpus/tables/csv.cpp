#include "sleb/corpus/tables/csv.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <system_error>

namespace sleb {
namespace {

// pandas' STR_NA_VALUES (pandas/_libs/parsers.pyx).
constexpr std::string_view missing_values[] = {
    "",     "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null",
};

bool is_missing(const std::optional<std::string>& value) {
  return !value || std::ranges::find(missing_values, std::string_view(*value)) != std::end(missing_values);
}

// What C's isspace takes for blank: pandas allows it around numbers.
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Without a "+" in front, which std::from_chars does not take.
std::string_view number_text(const std::string& value) {
  std::string_view text = trimmed(value);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

bool is_whole_number(const std::string& value) {
  std::string_view text = number_text(value);
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

template <typename Integer>
std::optional<Json> integer(const std::string& value) {
  const std::string_view text = number_text(value);
  Integer number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return Json(number);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::optional<Json> number(const std::string& value) {
  const std::string_view text = number_text(value);
  const bool negative = text.starts_with('-');
  const std::string magnitude = lower(text.substr(negative ? 1 : 0));
  double result = std::numeric_limits<double>::infinity();
  if (magnitude != "inf" && magnitude != "infinity") {
    if (magnitude.empty() || (!is_digit(magnitude[0]) && magnitude[0] != '.')) return {};
    const char* last = magnitude.data() + magnitude.size();
    double parsed = 0;
    const auto [end, error] = std::from_chars(magnitude.data(), last, parsed);
    if (error == std::errc::invalid_argument || end != last) return {};
    const bool tiny = magnitude.find("e-") != magnitude.npos;
    if (error == std::errc()) result = parsed;
    if (error == std::errc::result_out_of_range && tiny) result = 0;
  }
  return Json(negative ? -result : result);
}

std::optional<Json> boolean(const std::string& value) {
  if (value == "True" || value == "TRUE" || value == "true") return Json(true);
  if (value == "False" || value == "FALSE" || value == "false") return Json(false);
  return {};
}

std::optional<Json> text(const std::string& value) {
  return Json(value);
}

using Parse = std::optional<Json> (*)(const std::string& value);

// Nothing where a value is not of the type.
std::optional<std::vector<Json>> parsed_column(std::span<const std::optional<std::string>> values, Parse parse) {
  std::vector<Json> result;
  result.reserve(values.size());
  for (const auto& value : values) {
    if (is_missing(value)) {
      result.emplace_back(nullptr);
      continue;
    }
    auto parsed = parse(*value);
    if (!parsed) return {};
    result.push_back(std::move(*parsed));
  }
  return result;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, char separator) : text_(text), separator_(separator) {
  if (text_.starts_with("\xef\xbb\xbf")) place_ = 3;
}

bool CsvReader::at_end_of_line() const {
  return place_ == text_.size() || text_[place_] == '\n' || text_[place_] == '\r';
}

void CsvReader::end_line() {
  if (place_ == text_.size()) return;
  place_ += text_.substr(place_).starts_with("\r\n") ? 2 : 1;
  ++line_;
}

bool CsvReader::skip_blank_line() {
  const size_t begin = place_;
  while (place_ < text_.size() && (text_[place_] == ' ' || text_[place_] == '\t') && text_[place_] != separator_) {
    ++place_;
  }
  if (at_end_of_line()) {
    end_line();
    return true;
  }
  place_ = begin;
  return false;
}

// From behind the opening quote to behind the closing one.
void CsvReader::read_quoted(std::string& field) {
  for (; place_ < text_.size(); ++place_) {
    const char c = text_[place_];
    if (c == '"') {
      ++place_;
      if (place_ == text_.size() || text_[place_] != '"') return;
    } else if (c == '\n' || (c == '\r' && !text_.substr(place_).starts_with("\r\n"))) {
      ++line_;
    }
    field.push_back(c);
  }
  cut_off_ = true;
}

void CsvReader::read_field(std::string& field) {
  if (!at_end_of_line() && text_[place_] == '"') {
    ++place_;
    read_quoted(field);
  }
  for (; !at_end_of_line() && text_[place_] != separator_; ++place_) field.push_back(text_[place_]);
}

const std::vector<std::string>* CsvReader::next() {
  while (place_ < text_.size() && skip_blank_line()) {
  }
  if (place_ == text_.size()) return nullptr;
  record_line_ = line_;
  record_begin_ = place_;
  fields_.clear();
  while (true) {
    read_field(fields_.emplace_back());
    if (at_end_of_line()) break;
    ++place_;  // the separator
  }
  end_line();
  return &fields_;
}

std::vector<Json> typed_column(std::span<const std::optional<std::string>> values) {
  bool missing = false, whole = true;
  for (const auto& value : values) {
    if (is_missing(value)) {
      missing = true;
    } else {
      whole = whole && is_whole_number(*value);
    }
  }
  if (whole) {
    const auto column = parsed_column(values, integer<int64_t>);
    if (column && !missing) return *column;
    const auto wide = column || missing ? std::nullopt : parsed_column(values, integer<uint64_t>);
    if (!column) return wide ? *wide : *parsed_column(values, text);
  }
  for (const Parse parse : {number, boolean}) {
    if (auto column = parsed_column(values, parse)) return *column;
  }
  return *parsed_column(values, text);
}

}  // namespace sleb
