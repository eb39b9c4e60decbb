// Texts as Python sees them: sequences of code points. Every `text` is valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sleb::jinja {

bool is_python_space(char32_t character);  // str.isspace
std::string_view stripped_left(std::string_view text);
std::string_view stripped_right(std::string_view text);
// str.strip and its kin with the characters to take off; nothing: blanks.
std::string_view stripped(std::string_view text, const std::optional<std::string>& characters, bool left, bool right);

int64_t length_of(std::string_view text);  // code points
std::vector<std::string_view> characters_of(std::string_view text);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalized(std::string_view text);  // str.capitalize
std::string titled(std::string_view text);       // str.title

// str.split: at blanks, or at `separator`, which is not empty; at most `most` times, or -1.
std::vector<std::string> split(std::string_view text, const std::optional<std::string>& separator, int64_t most);
size_t most_lines(std::string_view text);  // that splitting may give
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);
// str.replace, at most `most` times, or -1.
std::string replaced(std::string_view text, std::string_view from, std::string_view to, int64_t most);

// What the inside of a string literal means. Throws Fault.
std::string unescaped(std::string_view literal);
std::string repr(std::string_view text);  // with quotes
std::string repr(double number);
// json.dumps of a string.
std::string json_string(std::string_view text, bool ensure_ascii);
// With &, <, >, ' and " as entities of HTML.
std::string html_escaped(std::string_view text);

}  // namespace sleb::jinja
