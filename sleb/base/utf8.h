// UTF-8 in what comes from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sleb {

// Bytes of the UTF-8 character that begins `text` (Unicode standard, table 3-7), or 0 where none does.
size_t utf8_character(std::string_view text);

// `text` fit for one line of a terminal: control characters and bytes that are no UTF-8 as "\x1b", and of a very long
// text only its two ends.
std::string printable(std::string_view text);

}  // namespace sleb
