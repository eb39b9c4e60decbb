// GPT-2's way of showing bytes to a model that reads characters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sleb {

// Appends every byte as one printable character: itself where Latin-1 has a visible one, else U+0100 and up in the
// order of the bytes (openai/gpt-2, encoder.py, bytes_to_unicode). A blank is U+0120 "Ġ".
void append_byte_characters(std::string& text, std::string_view bytes);

// The bytes that `text` (valid UTF-8) shows so; nothing if it has a character that shows none.
std::optional<std::string> bytes_of_characters(std::string_view text);

}  // namespace sleb
