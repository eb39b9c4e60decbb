// Which version of Unicode knows a character. The tokenizers library is made of parts with tables of different ages;
// whoever wants its ids must find the same characters unassigned.
#pragma once

namespace sleb {

// Whether a character came with a later version than 8.0 (the tables of the crate unicode_categories: punctuation and
// the marks that BertNormalizer strips) or 9.0 (unicode-normalization-alignments: normalization forms, StripAccents).
// Characters still unassigned may count as either.
bool is_newer_than_unicode_8(char32_t character);
bool is_newer_than_unicode_9(char32_t character);

// Whether a character is a combining mark that came with Unicode 17.0, which the library's grapheme clusters know
// (the crate unicode-segmentation).
bool is_new_mark_of_unicode_17(char32_t character);

// For a character that came with Unicode 15.0 to 16.0, which the library's regular expressions know and the system's
// may not: an old character of the same general category, script as far as it matters, and length in UTF-8. Otherwise
// the character itself.
char32_t older_equivalent(char32_t character);

}  // namespace sleb
