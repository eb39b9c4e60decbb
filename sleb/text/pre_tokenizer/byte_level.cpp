#include "sleb/text/pre_tokenizer/byte_level.h"

#include <string>
#include <string_view>

#include "sleb/text/pre_tokenizer/rewrite.h"
#include "sleb/text/pre_tokenizer/split.h"
#include "sleb/unicode/byte_characters.h"

namespace sleb {
namespace {

constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::string_view no_prefix(std::string_view, bool) {
  return "";
}

std::unique_ptr<PreTokenizer> gpt2_split() {
  return std::make_unique<Split>(regex_finder(gpt2_pattern, "the GPT-2 pattern"), SplitBehavior::isolated, false);
}

}  // namespace

ByteLevel::ByteLevel(bool add_prefix_space, bool use_regex)
    : add_prefix_space_(add_prefix_space), split_(use_regex ? gpt2_split() : nullptr) {}

void ByteLevel::apply(Pieces& pieces) const {
  if (add_prefix_space_) {
    const auto blank = [](std::string_view piece, bool) { return piece.starts_with(' ') ? "" : " "; };
    const auto copy = [](std::string& out, std::string_view text) { out += text; };
    rewrite_pieces(pieces, pieces.text.size() + pieces.spans.size(), blank, copy);
  }
  if (split_) split_->apply(pieces);
  rewrite_pieces(pieces, pieces.text.size() * 2, no_prefix, append_byte_characters);
}

}  // namespace sleb
