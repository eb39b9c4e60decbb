#include "sleb/unicode/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/unicode/versions.h"

namespace sleb {
namespace {

utf8proc_category_t category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(older_equivalent(character)));
}

bool within(char32_t character, char32_t first, char32_t last) {
  return character >= first && character <= last;
}

// As utf8proc, and the pairs that came with Unicode 15.1 to 17.
char32_t lower_case(char32_t character) {
  if (within(character, 0x10D50, 0x10D65)) return character + 0x20;
  if (within(character, 0x16EA0, 0x16EB8)) return character + 0x1B;
  switch (character) {
    case 0x1C89:
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return character + 1;
    case 0xA7CB:
      return 0x264;
    case 0xA7DC:
      return 0x19B;
    default:
      return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character)));
  }
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

// Appends the normal form of a text whose characters all were known to Unicode 9.
void normalize_known(std::string_view text, NormalForm form, std::string& normalized) {
  auto characters = decompose(text, form == NormalForm::nfkc || form == NormalForm::nfkd);
  order_marks(characters);
  if (form == NormalForm::nfc || form == NormalForm::nfkc) compose(characters);
  for (const auto character : characters) append_character(normalized, static_cast<char32_t>(character));
}

}  // namespace

bool is_blank(char32_t character) {
  constexpr char32_t next_line = 0x85;
  const auto kind = category(character);
  return (character >= '\t' && character <= '\r') || character == next_line ||
         (kind >= UTF8PROC_CATEGORY_ZS && kind <= UTF8PROC_CATEGORY_ZP);
}

bool is_python_blank(char32_t character) {
  return is_blank(character) || within(character, 0x1C, 0x1F);
}

bool is_numeric(char32_t character) {
  const auto kind = category(character);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO ||
         within(character, 0x11DE0, 0x11DE9) || within(character, 0x16FF4, 0x16FF6);  // Unicode 17
}

bool is_punctuation(char32_t character) {
  constexpr std::string_view ascii = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  if (character < 0x80) return ascii.find(static_cast<char>(character)) != ascii.npos;
  if (character == 0x166D || character == 0x111C9) return true;  // were punctuation in Unicode 8
  const auto kind = category(character);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO && !is_newer_than_unicode_8(character);
}

bool is_mark(char32_t character) {
  if (character == 0x1CF2 || character == 0x1CF3) return true;  // were marks in Unicode 9
  const bool became_one_later = character == 0x111C9;
  const auto kind = category(character);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME && !is_newer_than_unicode_9(character) &&
         !became_one_later;
}

bool is_nonspacing_mark(char32_t character) {
  if (character == 0x1734) return true;  // was one in Unicode 8
  const bool became_one_later =
      character == 0x1885 || character == 0x1886 || character == 0xA9BD || character == 0x111C9;
  return category(character) == UTF8PROC_CATEGORY_MN && !is_newer_than_unicode_8(character) && !became_one_later;
}

bool is_control(char32_t character) {
  const auto kind = category(character);
  return (kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO) &&
         !is_newer_than_unicode_8(character);
}

bool is_word(char32_t character) {
  constexpr char32_t zero_width_non_joiner = 0x200C, zero_width_joiner = 0x200D;
  const auto kind = category(character);
  if (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) return true;  // L*, M*, Nd, Nl
  // Circled and squared letters are symbols by category, but alphabetic (PropList.txt, Other_Alphabetic).
  return kind == UTF8PROC_CATEGORY_PC || character == zero_width_non_joiner || character == zero_width_joiner ||
         within(character, 0x24B6, 0x24E9) || within(character, 0x1F130, 0x1F149) ||
         within(character, 0x1F150, 0x1F169) || within(character, 0x1F170, 0x1F189);
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
      append_character(lowered, lower_case(character));
    }
  }
  return lowered;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const size_t first = character_size(text[0]);
  std::string result;
  append_character(result,
                   static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(first_character(text)))));
  return result + lowercase(text.substr(first));
}

std::string_view without_blanks_behind(std::string_view text) {
  while (!text.empty()) {
    const char32_t last = last_character(text);
    if (!is_python_blank(last)) break;
    std::string spelled;
    append_character(spelled, last);
    text.remove_suffix(spelled.size());
  }
  return text;
}

std::string_view without_blanks_in_front(std::string_view text) {
  while (!text.empty() && is_python_blank(first_character(text))) text.remove_prefix(character_size(text[0]));
  return text;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  std::string normalized;
  normalized.reserve(text.size());
  size_t done = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t size = character_size(text[i]);
    if (size > 1 && is_newer_than_unicode_9(first_character(text.substr(i)))) {
      normalize_known(text.substr(done, i - done), form, normalized);
      normalized += text.substr(i, size);
      done = i + size;
    }
    i += size;
  }
  normalize_known(text.substr(done), form, normalized);
  return normalized;
}

}  // namespace sleb
