#include "sleb/text/pre_tokenizer/byte_level.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/text/pre_tokenizer/split.h"
#include "sleb/text/unicode/utf8.h"

namespace sleb {
namespace {

constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

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

void prefix_spaces(Pieces& pieces) {
  std::string text;
  text.reserve(pieces.text.size() + pieces.spans.size());
  for (Span& span : pieces.spans) {
    const std::string_view piece = pieces.piece(span);
    const size_t begin = text.size();
    if (!piece.starts_with(' ')) text += ' ';
    text += piece;
    span = {begin, text.size()};
  }
  pieces.text = std::move(text);
}

std::unique_ptr<PreTokenizer> gpt2_split() {
  auto regex = std::make_shared<const Regex>(gpt2_pattern, "the GPT-2 pattern");
  return std::make_unique<Split>(
      [regex](std::string_view text, std::vector<Span>& matches) { regex->find_all(text, matches); },
      SplitBehavior::isolated, false);
}

}  // namespace

ByteLevel::ByteLevel(bool add_prefix_space, bool use_regex)
    : add_prefix_space_(add_prefix_space), split_(use_regex ? gpt2_split() : nullptr) {}

void ByteLevel::apply(Pieces& pieces) const {
  if (add_prefix_space_) prefix_spaces(pieces);
  if (split_) split_->apply(pieces);
  std::string text;
  text.reserve(pieces.text.size() * 2);
  for (Span& span : pieces.spans) {
    const size_t begin = text.size();
    for (const char byte : pieces.piece(span)) text += alphabet()[static_cast<uint8_t>(byte)];
    span = {begin, text.size()};
  }
  pieces.text = std::move(text);
}

}  // namespace sleb
