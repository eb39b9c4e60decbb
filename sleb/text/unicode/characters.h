// Properties and transformations of Unicode characters, by utf8proc's tables. Characters newer than these (Debian 12:
// Unicode 15) count as unassigned.
#pragma once

#include <string>
#include <string_view>

namespace sleb {

bool is_blank(char32_t character);        // property White_Space
bool is_numeric(char32_t character);      // categories Nd, Nl, No
bool is_punctuation(char32_t character);  // categories P*, and all punctuation and symbols of ASCII
bool is_word(char32_t character);         // \w of UTS 18, annex C: letters, marks, digits, connectors, joiners

// Each character lowered by itself, without regard to its neighbours (no final sigma). `text` is valid UTF-8.
std::string lowercase(std::string_view text);

// The normalization forms of UAX 15, in linear time (but for sorting runs of combining marks). `text` is valid UTF-8.
enum class NormalForm { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, NormalForm form);

}  // namespace sleb
