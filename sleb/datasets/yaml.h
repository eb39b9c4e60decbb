// YAML 1.1 as JSON, by libyaml, which PyYAML's rules are those of.
#pragma once

#include <string_view>

#include "sleb/base/json.h"

namespace sleb {

// The first document of `text`; null where there is none. Plain scalars that YAML 1.1 takes for null or a boolean are
// such; all others are text, numbers too. Of a key twice the last one counts, as PyYAML has it. Throws
// Error(bad_input), "LABEL, line N: ...", for what is no YAML, a key that is no scalar, nesting deeper than 64, and
// aliases that make more than a million values of a text.
Json parse_yaml(std::string_view text, std::string_view label);

}  // namespace sleb
