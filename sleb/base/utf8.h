// UTF-8: decoding, encoding and repair of bytes that come from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sleb {

// Bytes of the UTF-8 character that begins `text` (Unicode standard, table 3-7), or 0 where none does.
size_t utf8_character(std::string_view text);

bool is_ascii(std::string_view text);
bool is_valid_utf8(std::string_view text);
// Bytes of the longest valid beginning: the position of the first byte that is no UTF-8, or text.size().
size_t valid_utf8_prefix(std::string_view text);

// `text` with every maximal ill-formed part replaced by one U+FFFD (Unicode, section 3.9, "U+FFFD Substitution of
// Maximal Subparts"), which is what Python's bytes.decode(errors="replace") does.
std::string replace_invalid_utf8(std::string_view text);

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

// Bytes at the end of `text` that begin a character and may become one with more bytes behind them: 0 to 3.
size_t incomplete_character(std::string_view text);

// The functions below take valid, non-empty UTF-8.
size_t character_size(char first_byte);  // bytes of the character that begins with `first_byte`
char32_t first_character(std::string_view text);
char32_t last_character(std::string_view text);

void append_character(std::string& text, char32_t character);

// `text` fit for one line of a terminal: control characters and bytes that are no UTF-8 as "\x1b", and of a very long
// text only its two ends.
std::string printable(std::string_view text);

}  // namespace sleb
