// Python's re.sub(pattern, replacement, text).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sleb/unicode/regex.h"

namespace sleb {

class RegexReplacement {
 public:
  // `replacement` may name groups: \1 to \9; a backslash is "\\". Throws Error(bad_input), beginning with `place`, for
  // a malformed pattern, a group that it lacks, and other backslashes.
  RegexReplacement(std::string_view pattern, std::string_view replacement, const std::string& place);

  // `text` is valid UTF-8. Throws Error(bad_input), beginning with `place`, for an empty match, which libraries do not
  // agree on.
  std::string apply(const std::string& text, const std::string& place) const;

 private:
  Regex regex_;
  std::vector<std::variant<std::string, size_t>> pieces_;  // texts and numbers of groups
};

}  // namespace sleb
