#include "sleb/unicode/byte_characters.h"

#include <array>
#include <cstdint>

#include "sleb/base/utf8.h"

namespace sleb {
namespace {

using Alphabet = std::array<std::string, 256>;

const Alphabet& alphabet() {
  static const Alphabet characters = [] {
    Alphabet spelled;
    char32_t next_free = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      append_character(spelled[byte], visible ? byte : next_free++);
    }
    return spelled;
  }();
  return characters;
}

constexpr char32_t end_of_alphabet = 0x144;  // 68 bytes are not visible

// By character; -1 for those that show no byte.
std::array<int16_t, end_of_alphabet> bytes_by_character() {
  std::array<int16_t, end_of_alphabet> bytes;
  bytes.fill(-1);
  for (size_t byte = 0; byte < 256; ++byte) bytes[first_character(alphabet()[byte])] = static_cast<int16_t>(byte);
  return bytes;
}

}  // namespace

void append_byte_characters(std::string& text, std::string_view bytes) {
  const Alphabet& characters = alphabet();
  for (const char byte : bytes) text += characters[static_cast<uint8_t>(byte)];
}

std::optional<std::string> bytes_of_characters(std::string_view text) {
  static const auto bytes_of = bytes_by_character();
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    const char32_t character = first_character(text.substr(i));
    const int16_t byte = character < end_of_alphabet ? bytes_of[character] : int16_t{-1};
    if (byte < 0) return {};
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace sleb
