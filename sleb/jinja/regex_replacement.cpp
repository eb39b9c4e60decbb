#include "sleb/jinja/regex_replacement.h"

#include <map>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/jinja/fault.h"

namespace sleb::jinja {
namespace {

Regex python_regex(std::string_view pattern) {
  try {
    return Regex(pattern, "regex_replace", RegexSyntax::python);
  } catch (const Error& error) {
    fault("{}", error.what());
  }
}

}  // namespace

RegexReplacement::RegexReplacement(std::string_view pattern, std::string_view replacement)
    : regex_(python_regex(pattern)) {
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
      if (group > regex_.groups()) fault("the pattern has no group {}", group);
      add_text();
      pieces_.emplace_back(group);
    } else {
      fault("a backslash in the replacement is followed by neither a group from 1 to 9 nor a backslash");
    }
  }
  add_text();
}

std::string RegexReplacement::apply(const std::string& text) const {
  std::vector<Span> places;
  regex_.find_all_with_groups(text, places);
  const size_t per_match = 1 + regex_.groups();
  std::string result;
  size_t done = 0;
  for (size_t match = 0; match < places.size(); match += per_match) {
    if (places[match].empty()) fault("the pattern of regex_replace matches the empty text");
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

const RegexReplacement& regex_replacement(const std::string& pattern, const std::string& replacement) {
  constexpr size_t most_kept = 256;
  thread_local std::map<std::pair<std::string, std::string>, RegexReplacement> kept;
  if (kept.size() == most_kept) kept.clear();
  const auto found = kept.find({pattern, replacement});
  if (found != kept.end()) return found->second;
  return kept.emplace(std::pair(pattern, replacement), RegexReplacement(pattern, replacement)).first->second;
}

}  // namespace sleb::jinja
