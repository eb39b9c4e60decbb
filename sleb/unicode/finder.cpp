#include "sleb/unicode/finder.h"

#include <fmt/core.h>

#include <memory>
#include <string>
#include <utility>

#include "sleb/base/utf8.h"

namespace sleb {

Finder literal_finder(std::string text) {
  return [text = std::move(text)](std::string_view where, std::vector<Span>& matches) {
    for (size_t i = where.find(text); i != where.npos; i = where.find(text, i + text.size())) {
      matches.push_back({i, i + text.size()});
    }
  };
}

Finder character_finder(bool (*is_match)(char32_t)) {
  return [is_match](std::string_view text, std::vector<Span>& matches) {
    for (size_t i = 0; i < text.size();) {
      const size_t end = i + character_size(text[i]);
      if (is_match(first_character(text.substr(i)))) matches.push_back({i, end});
      i = end;
    }
  };
}

Finder regex_finder(std::string_view pattern, const std::string& place) {
  auto regex = std::make_shared<const Regex>(pattern, place);
  return [regex](std::string_view text, std::vector<Span>& matches) { regex->find_all(text, matches); };
}

Finder pattern_finder(const JsonView& pattern) {
  if (const auto regex = pattern.find("Regex")) return regex_finder(regex->string(), regex->place());
  if (const auto text = pattern.find("String")) {
    return text->string().empty() ? regex_finder("", text->place()) : literal_finder(text->string());
  }
  pattern.fail("expected a \"Regex\" or a \"String\"");
}

std::string one_character(const JsonView& value) {
  const std::string& text = value.string();
  if (text.empty() || character_size(text[0]) != text.size())
    value.fail(fmt::format("{:?} is not one character", text));
  return text;
}

}  // namespace sleb
