#include "sleb/text/unicode/byte_characters.h"

#include <array>
#include <cstdint>

#include "sleb/text/unicode/utf8.h"

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

}  // namespace

void append_byte_characters(std::string& text, std::string_view bytes) {
  const Alphabet& characters = alphabet();
  for (const char byte : bytes) text += characters[static_cast<uint8_t>(byte)];
}

}  // namespace sleb
