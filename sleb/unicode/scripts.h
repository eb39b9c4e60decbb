// The writing system of a character.
#pragma once

namespace sleb {

constexpr int no_script = 0;

// The property Script of Unicode 9, as SentencePiece's unicode_script knows it: a number for every script (Common and
// Inherited are scripts too), no_script for characters that are unassigned there.
int script_of(char32_t character);

// Of Han; Hiragana and Katakana count as it in Japanese text.
int han_script();
int hiragana_script();
int katakana_script();

}  // namespace sleb
