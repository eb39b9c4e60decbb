// A model's text on a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sleb::app {

// `text` without what a terminal would obey: control characters but line ends and tabs as "\x1b".
std::string terminal_text(std::string_view text);

// Columns of standard output; 0 if it is no terminal.
int terminal_width();

// Lines of `text`, wrapped at blanks where they are longer than `width` columns. `text` is valid UTF-8.
std::vector<std::string> wrapped(std::string_view text, int width);

// Two texts beside each other, each under its title, in lines of at most `width` columns.
std::string side_by_side(const std::string& left_title, std::string_view left, const std::string& right_title,
                         std::string_view right, int width);

}  // namespace sleb::app
