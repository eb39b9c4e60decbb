// Python's re.sub(pattern, replacement, text).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sleb/unicode/regex.h"

namespace sleb::jinja {

class RegexReplacement {
 public:
  // `replacement` may name groups: \1 to \9; a backslash is "\\". Throws Fault for a malformed pattern, a group that it
  // lacks, and other backslashes.
  RegexReplacement(std::string_view pattern, std::string_view replacement);

  // `text` is valid UTF-8. Throws Fault for an empty match, which libraries do not agree on.
  std::string apply(const std::string& text) const;

 private:
  Regex regex_;
  std::vector<std::variant<std::string, size_t>> pieces_;  // texts and numbers of groups
};

// Kept by the thread from the last time: a task's patterns are the same for each of its rows. Throws Fault.
const RegexReplacement& regex_replacement(const std::string& pattern, const std::string& replacement);

}  // namespace sleb::jinja
