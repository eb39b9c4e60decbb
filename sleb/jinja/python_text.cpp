#include "sleb/jinja/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sleb/base/utf8.h"
#include "sleb/jinja/fault.h"
#include "sleb/unicode/characters.h"
#include "sleb/unicode/replace.h"

namespace sleb::jinja {
namespace {

char32_t to_upper(char32_t character) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(character)));
}

char32_t to_lower(char32_t character) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character)));
}

bool is_cased(char32_t character) {
  return to_upper(character) != character || to_lower(character) != character;
}

// Some small letters become several great ones (Unicode, SpecialCasing.txt): those that full case folding takes apart
// (CaseFolding.txt, status F), and then the great letters of these parts. (utf8proc's own mapping is of single ones.)
void append_upper(std::string& out, char32_t character) {
  const auto code = static_cast<utf8proc_int32_t>(character);
  const auto category = utf8proc_category(code);
  utf8proc_int32_t parts[8];
  int boundary = 0;
  const bool is_small = category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
  const auto count = is_small ? utf8proc_decompose_char(code, parts, 8, UTF8PROC_CASEFOLD, &boundary) : 1;
  if (count <= 1 || count > 8) return append_character(out, to_upper(character));
  for (utf8proc_ssize_t i = 0; i < count; ++i) append_character(out, to_upper(static_cast<char32_t>(parts[i])));
}

// `rewrite(out, character, previous)` for every character; the first one's previous is 0.
template <typename Rewrite>
std::string by_character(std::string_view text, const Rewrite& rewrite) {
  std::string out;
  out.reserve(text.size());
  char32_t previous = 0;
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    const char32_t character = first_character(text.substr(i));
    rewrite(out, character, previous);
    previous = character;
  }
  return out;
}

// str.isprintable of one character.
bool is_printable(char32_t character) {
  if (character == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(character))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string escape_of(char32_t character) {
  const auto code = static_cast<uint32_t>(character);
  if (code < 0x100) return fmt::format("\\x{:02x}", code);
  return code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

// The number of hexadecimal digits behind "\x", "\u" and "\U".
size_t digits_of_escape(char letter) {
  return letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
}

}  // namespace

bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view stripped(std::string_view text, const std::optional<std::string>& characters, bool left, bool right) {
  const auto goes = [&](std::string_view character) {
    return characters ? characters->find(character) != std::string::npos : is_python_space(first_character(character));
  };
  while (left && !text.empty()) {
    const size_t size = character_size(text[0]);
    if (!goes(text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (right && !text.empty()) {
    size_t start = text.size() - 1;
    while ((static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    if (!goes(text.substr(start))) break;
    text = text.substr(0, start);
  }
  return text;
}

std::string_view stripped_left(std::string_view text) {
  return stripped(text, {}, true, false);
}

std::string_view stripped_right(std::string_view text) {
  return stripped(text, {}, false, true);
}

int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    characters.push_back(text.substr(i, character_size(text[i])));
  }
  return characters;
}

std::string upper(std::string_view text) {
  return by_character(text, [](std::string& out, char32_t character, char32_t) { append_upper(out, character); });
}

std::string lower(std::string_view text) {
  return lowercase(text);
}

std::string capitalized(std::string_view text) {
  return capitalize(text);
}

std::string titled(std::string_view text) {
  return by_character(text, [](std::string& out, char32_t character, char32_t previous) {
    append_character(out, is_cased(previous) ? to_lower(character) : to_upper(character));
  });
}

std::vector<std::string> split(std::string_view text, const std::optional<std::string>& separator, int64_t most) {
  std::vector<std::string> parts;
  const auto full = [&] { return most >= 0 && static_cast<int64_t>(parts.size()) >= most; };
  if (separator) {
    for (size_t i = text.find(*separator); i != text.npos && !full(); i = text.find(*separator)) {
      parts.emplace_back(text.substr(0, i));
      text.remove_prefix(i + separator->size());
    }
    parts.emplace_back(text);
    return parts;
  }
  for (text = stripped_left(text); !text.empty() && !full(); text = stripped_left(text)) {
    size_t end = 0;
    while (end < text.size() && !is_python_space(first_character(text.substr(end)))) end += character_size(text[end]);
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  if (!text.empty()) parts.emplace_back(stripped_right(text));
  return parts;
}

size_t most_lines(std::string_view text) {
  const auto may_end_one = [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == '\xC2' || c == '\xE2'; };
  return 1 + static_cast<size_t>(std::count_if(text.begin(), text.end(), may_end_one));
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  const auto is_end = [](char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i;
    const bool ends = is_end(first_character(text.substr(i)));
    i += text.substr(i).starts_with("\r\n") ? 2 : character_size(text[i]);
    if (!ends) continue;
    lines.emplace_back(text.substr(begin, (keep_ends ? i : end) - begin));
    begin = i;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to, int64_t most) {
  if (most < 0) return replace_all(text, from, to);
  std::string out;
  while (most > 0) {
    const size_t place = text.find(from);
    if (place == text.npos) break;
    out.append(text.substr(0, place)).append(to);
    text.remove_prefix(place + from.size());
    --most;
    if (!from.empty()) continue;
    if (text.empty()) break;
    out += text.substr(0, character_size(text[0]));
    text.remove_prefix(character_size(text[0]));
  }
  return out.append(text);
}

std::string unescaped(std::string_view literal) {
  constexpr std::string_view letters = "abfnrtv\\'\"", meanings = "\a\b\f\n\r\t\v\\'\"";
  std::string text;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      text += literal[i];
      continue;
    }
    const char letter = literal[++i];
    const char* const begin = literal.data() + i;
    const char* const end = literal.data() + literal.size();
    uint32_t code = 0;
    if (const size_t known = letters.find(letter); known != letters.npos) {
      text += meanings[known];
    } else if (letter == '\n') {
      // joins two lines
    } else if (letter >= '0' && letter <= '7') {
      const char* const stop = std::from_chars(begin, begin + std::min<std::ptrdiff_t>(3, end - begin), code, 8).ptr;
      append_character(text, code);
      i += static_cast<size_t>(stop - begin) - 1;
    } else if (const size_t digits = digits_of_escape(letter); digits > 0) {
      const bool fits = literal.size() - i > digits;
      if (!fits || std::from_chars(begin + 1, begin + 1 + digits, code, 16).ptr != begin + 1 + digits) {
        fault("the escape \\{} needs {} hexadecimal digits", letter, digits);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        fault("the escape \\{}{:x} is no character", letter, code);
      append_character(text, code);
      i += digits;
    } else if (letter == 'N') {
      fault("the escape \\N is not supported");
    } else {
      text += '\\';
      text += letter;
    }
  }
  return text;
}

std::string repr(std::string_view text) {
  const bool has_single = text.find('\'') != text.npos, has_double = text.find('"') != text.npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  out += by_character(text, [&](std::string& shown, char32_t c, char32_t) {
    if (c == '\n') {
      shown += "\\n";
    } else if (c == '\r') {
      shown += "\\r";
    } else if (c == '\t') {
      shown += "\\t";
    } else if (c == '\\' || c == static_cast<char32_t>(quote)) {
      shown += '\\';
      append_character(shown, c);
    } else if (is_printable(c)) {
      append_character(shown, c);
    } else {
      shown += escape_of(c);
    }
  });
  return out += quote;
}

std::string repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  if (number == 0) return std::signbit(number) ? "-0.0" : "0.0";
  const double size = std::fabs(number);
  char digits[400];
  const auto format = size < 1e-4 || size >= 1e16 ? std::chars_format::scientific : std::chars_format::fixed;
  std::string text(digits, std::to_chars(digits, digits + sizeof digits, number, format).ptr);
  if (format == std::chars_format::fixed && text.find('.') == text.npos) text += ".0";
  return text;
}

std::string json_string(std::string_view text, bool ensure_ascii) {
  std::string out = "\"";
  out += by_character(text, [&](std::string& shown, char32_t c, char32_t) {
    constexpr std::string_view special = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
    const size_t known = c < 0x80 ? special.find(static_cast<char>(c)) : special.npos;
    const auto code = static_cast<uint32_t>(c);
    if (known != special.npos) {
      shown += '\\';
      shown += letters[known];
    } else if (code < 0x20 || (ensure_ascii && code > 0x7F && code < 0x10000)) {
      shown += fmt::format("\\u{:04x}", code);
    } else if (ensure_ascii && code >= 0x10000) {
      const uint32_t above = code - 0x10000;
      shown += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF));
    } else {
      append_character(shown, c);
    }
  });
  return out += '"';
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (c == '"') {
      out += "&#34;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace sleb::jinja
