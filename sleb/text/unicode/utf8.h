// UTF-8: decoding, encoding and repair of bytes that come from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sleb {

bool is_ascii(std::string_view text);
bool is_valid_utf8(std::string_view text);

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

}  // namespace sleb
