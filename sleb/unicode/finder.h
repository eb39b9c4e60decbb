// Finding all places of a text that match something: a pattern from a file, or a kind of character.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/unicode/regex.h"

namespace sleb {

// Appends the matches in a text, in order, not overlapping, to the vector.
using Finder = std::function<void(std::string_view, std::vector<Span>&)>;

// Matches are the single characters for which `is_match` holds.
Finder character_finder(bool (*is_match)(char32_t));

// Matches are the places that read as `text`, which is not empty.
Finder literal_finder(std::string text);

Finder regex_finder(std::string_view pattern, const std::string& place);

// {"Regex": ...} or {"String": ...}, as the tokenizers library writes patterns. An empty one matches between all
// characters. Throws Error(bad_input).
Finder pattern_finder(const JsonView& pattern);

// A string of exactly one character, for which the file has its own type. Throws Error(bad_input).
std::string one_character(const JsonView& value);

}  // namespace sleb
