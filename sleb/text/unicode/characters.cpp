#include "sleb/text/unicode/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/text/unicode/utf8.h"

namespace sleb {
namespace {

utf8proc_category_t category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

int combining_class(utf8proc_int32_t character) {
  return utf8proc_get_property(character)->combining_class;
}

// The full decomposition of every character, not yet in canonical order.
std::vector<utf8proc_int32_t> decompose(std::string_view text, bool compatibility) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> characters;
  characters.reserve(text.size());
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    const auto character = static_cast<utf8proc_int32_t>(first_character(text.substr(i)));
    utf8proc_int32_t parts[32];  // the longest decomposition, of U+FDFA, has 18
    int boundary_class = 0;
    const auto count = utf8proc_decompose_char(character, parts, std::size(parts), options, &boundary_class);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(std::size(parts))) {
      failed("decomposing U+{:04X}: {}", character, utf8proc_errmsg(std::min<utf8proc_ssize_t>(count, 0)));
    }
    characters.insert(characters.end(), parts, parts + count);
  }
  return characters;
}

// Canonical ordering. utf8proc's own bubbles marks down one by one, quadratic in a run of marks; a stable sort is not.
void order_marks(std::vector<utf8proc_int32_t>& characters) {
  for (auto run = characters.begin(); run != characters.end();) {
    if (combining_class(*run) == 0) {
      ++run;
      continue;
    }
    const auto end = std::find_if(run, characters.end(), [](auto c) { return combining_class(c) == 0; });
    std::stable_sort(run, end, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    run = end;
  }
}

void compose(std::vector<utf8proc_int32_t>& characters) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  const auto length = static_cast<utf8proc_ssize_t>(characters.size());
  const auto composed = utf8proc_normalize_utf32(characters.data(), length, options);
  if (composed < 0) failed("composing text: {}", utf8proc_errmsg(composed));
  characters.resize(static_cast<size_t>(composed));
}

}  // namespace

bool is_blank(char32_t character) {
  constexpr char32_t next_line = 0x85;
  const auto kind = category(character);
  return (character >= '\t' && character <= '\r') || character == next_line ||
         (kind >= UTF8PROC_CATEGORY_ZS && kind <= UTF8PROC_CATEGORY_ZP);
}

bool is_numeric(char32_t character) {
  const auto kind = category(character);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(char32_t character) {
  constexpr std::string_view ascii = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  if (character < 0x80) return ascii.find(static_cast<char>(character)) != ascii.npos;
  const auto kind = category(character);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool is_word(char32_t character) {
  constexpr char32_t zero_width_non_joiner = 0x200C, zero_width_joiner = 0x200D;
  const auto within = [=](char32_t first, char32_t last) { return character >= first && character <= last; };
  const auto kind = category(character);
  if (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) return true;  // L*, M*, Nd, Nl
  // Circled and squared letters are symbols by category, but alphabetic (PropList.txt, Other_Alphabetic).
  return kind == UTF8PROC_CATEGORY_PC || character == zero_width_non_joiner || character == zero_width_joiner ||
         within(0x24B6, 0x24E9) || within(0x1F130, 0x1F149) || within(0x1F150, 0x1F169) || within(0x1F170, 0x1F189);
}

std::string lowercase(std::string_view text) {
  constexpr char32_t capital_i_with_dot = 0x130;  // the one character whose lower case is two: i, combining dot above
  std::string lowered;
  lowered.reserve(text.size());
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    const char32_t character = first_character(text.substr(i));
    if (character == capital_i_with_dot) {
      lowered += "i\xCC\x87";
    } else {
      append_character(lowered, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character))));
    }
  }
  return lowered;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  auto characters = decompose(text, form == NormalForm::nfkc || form == NormalForm::nfkd);
  order_marks(characters);
  if (form == NormalForm::nfc || form == NormalForm::nfkc) compose(characters);
  std::string normalized;
  normalized.reserve(text.size());
  for (const auto character : characters) append_character(normalized, static_cast<char32_t>(character));
  return normalized;
}

}  // namespace sleb
