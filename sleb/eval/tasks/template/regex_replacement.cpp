#include "sleb/eval/tasks/template/regex_replacement.h"

#include "sleb/base/error.h"

namespace sleb {

RegexReplacement::RegexReplacement(std::string_view pattern, std::string_view replacement, const std::string& place)
    : regex_(pattern, place, RegexSyntax::python) {
  std::string text;
  const auto add_text = [&] {
    if (!text.empty()) pieces_.emplace_back(text);
    text.clear();
  };
  for (size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '\\') {
      text += replacement[i];
      continue;
    }
    const char escaped = ++i < replacement.size() ? replacement[i] : '\0';
    if (escaped == '\\') {
      text += escaped;
    } else if (escaped >= '1' && escaped <= '9') {
      const auto group = static_cast<size_t>(escaped - '0');
      if (group > regex_.groups()) bad_input("{}: the pattern has no group {}", place, group);
      add_text();
      pieces_.emplace_back(group);
    } else {
      bad_input("{}: a backslash in the replacement is followed by neither a group from 1 to 9 nor a backslash", place);
    }
  }
  add_text();
}

std::string RegexReplacement::apply(const std::string& text, const std::string& place) const {
  std::vector<Span> places;
  regex_.find_all_with_groups(text, places);
  const size_t per_match = 1 + regex_.groups();
  std::string result;
  size_t done = 0;
  for (size_t match = 0; match < places.size(); match += per_match) {
    if (places[match].empty()) bad_input("{}: the pattern of regex_replace matches the empty text", place);
    result.append(text, done, places[match].begin - done);
    for (const auto& piece : pieces_) {
      if (const auto* literal = std::get_if<std::string>(&piece)) {
        result += *literal;
      } else {
        const Span group = places[match + std::get<size_t>(piece)];
        result.append(text, group.begin, group.end - group.begin);
      }
    }
    done = places[match].end;
  }
  return result.append(text, done);
}

}  // namespace sleb
