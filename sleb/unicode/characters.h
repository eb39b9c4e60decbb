// Properties and transformations of Unicode characters, as the tokenizers library knows them: by utf8proc's tables
// (Debian 12: Unicode 15), corrected where the library's own tables are older or newer (versions.h).
#pragma once

#include <string>
#include <string_view>

namespace sleb {

bool is_blank(char32_t character);            // property White_Space
bool is_python_blank(char32_t character);     // what Python's str.isspace() holds for: White_Space, U+001C to U+001F
bool is_numeric(char32_t character);          // categories Nd, Nl, No
bool is_punctuation(char32_t character);      // categories P*, and all punctuation and symbols of ASCII
bool is_mark(char32_t character);             // categories M*
bool is_nonspacing_mark(char32_t character);  // category Mn
bool is_control(char32_t character);          // categories Cc, Cf, Co
bool is_word(char32_t character);             // \w of UTS 18, annex C: letters, marks, digits, connectors, joiners

// Each character lowered by itself, without regard to its neighbours (no final sigma). `text` is valid UTF-8.
std::string lowercase(std::string_view text);

// Python's str.capitalize(): the first character in title case, the others lowered by themselves. (A first character
// whose title case is several, as of the ligature U+FB01, stays.) `text` is valid UTF-8.
std::string capitalize(std::string_view text);

// Python's str.rstrip() and str.lstrip(). `text` is valid UTF-8.
std::string_view without_blanks_behind(std::string_view text);
std::string_view without_blanks_in_front(std::string_view text);

// The normalization forms of UAX 15 in Unicode 9, in linear time (but for sorting runs of combining marks); newer
// characters stay as they are. `text` is valid UTF-8.
enum class NormalForm { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, NormalForm form);

}  // namespace sleb
