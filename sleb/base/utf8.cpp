#include "sleb/base/utf8.h"

#include <fmt/core.h>

#include <cstdint>
#include <cstring>

namespace sleb {
namespace {

constexpr size_t longest_start = 700, longest_end = 300;  // bytes

// The C0 and C1 controls and "delete": what a terminal would obey.
bool is_control(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  return character.size() == 2 && byte(0) == 0xc2 && byte(1) < 0xa0;
}

// Whether `next` may follow `lead` as the second byte: the ranges that keep out overlong forms, surrogates and values
// beyond U+10FFFF (Unicode, table 3-7).
bool second_byte_fits(uint8_t lead, uint8_t next) {
  switch (lead) {
    case 0xE0:
      return next >= 0xA0 && next <= 0xBF;
    case 0xED:
      return next >= 0x80 && next <= 0x9F;
    case 0xF0:
      return next >= 0x90 && next <= 0xBF;
    case 0xF4:
      return next >= 0x80 && next <= 0x8F;
    default:
      return next >= 0x80 && next <= 0xBF;
  }
}

struct Part {
  size_t size;  // bytes of the character, or of the maximal ill-formed part
  bool valid;
};

Part next_part(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, true};
  const size_t length = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  for (size_t i = 1; i < length; ++i) {
    const bool fits = i < text.size() && (i == 1 ? second_byte_fits(lead, byte(1)) : (byte(i) & 0xC0) == 0x80);
    if (!fits) return {i, false};
  }
  return {length, true};
}

// Bytes from the start of `text` that are ASCII, found eight at a time.
size_t ascii_prefix(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (i < text.size() && static_cast<uint8_t>(text[i]) < 0x80) ++i;
  return i;
}

}  // namespace

size_t utf8_character(std::string_view text) {
  if (text.empty()) return 0;
  const Part part = next_part(text);
  return part.valid ? part.size : 0;
}

bool is_ascii(std::string_view text) {
  return ascii_prefix(text) == text.size();
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t i = 0;
  while ((i += ascii_prefix(text.substr(i))) < text.size()) {
    const Part part = next_part(text.substr(i));
    if (!part.valid) break;
    i += part.size;
  }
  return i;
}

bool is_valid_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == text.size();
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const size_t valid = valid_utf8_prefix(text);
    repaired += text.substr(0, valid);
    text.remove_prefix(valid);
    if (text.empty()) break;
    repaired += replacement_character;
    text.remove_prefix(next_part(text).size);
  }
  return repaired;
}

size_t incomplete_character(std::string_view text) {
  for (size_t size = 1; size <= 3 && size <= text.size(); ++size) {
    const auto byte = static_cast<uint8_t>(text[text.size() - size]);
    if ((byte & 0xC0) == 0x80) continue;
    if (byte < 0xC2 || byte > 0xF4) return 0;
    const Part part = next_part(text.substr(text.size() - size));
    return !part.valid && part.size == size ? size : 0;
  }
  return 0;
}

size_t character_size(char first_byte) {
  const auto lead = static_cast<uint8_t>(first_byte);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

char32_t first_character(std::string_view text) {
  const size_t size = character_size(text[0]);
  const auto lead = static_cast<uint8_t>(text[0]);
  if (size == 1) return lead;
  char32_t character = lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) character = (character << 6) | (static_cast<uint8_t>(text[i]) & 0x3Fu);
  return character;
}

char32_t last_character(std::string_view text) {
  size_t start = text.size() - 1;
  while ((static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
  return first_character(text.substr(start));
}

void append_character(std::string& text, char32_t character) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((character >> shift) & 0x3F)); };
  if (character < 0x80) {
    text += static_cast<char>(character);
  } else if (character < 0x800) {
    text += {static_cast<char>(0xC0 | (character >> 6)), tail(0)};
  } else if (character < 0x10000) {
    text += {static_cast<char>(0xE0 | (character >> 12)), tail(6), tail(0)};
  } else {
    text += {static_cast<char>(0xF0 | (character >> 18)), tail(12), tail(6), tail(0)};
  }
}

std::string printable(std::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size();) {
    if (i >= longest_start && text.size() - i > longest_end) {
      i = text.size() - longest_end;
      shown += " ... ";
    }
    const size_t length = utf8_character(text.substr(i));
    const std::string_view character = text.substr(i, length == 0 ? 1 : length);
    if (length == 0 || is_control(character)) {
      for (const char byte : character) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    } else {
      shown += character;
    }
    i += character.size();
  }
  return shown;
}

}  // namespace sleb
