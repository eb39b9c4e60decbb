#include "sleb/text/normalizer/charsmap.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/text/unicode/utf8.h"
#include "sleb/text/unicode/versions.h"

namespace sleb {
namespace {

constexpr char32_t first_beyond_ascii = 0x80;

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

std::string decode_base64(const JsonView& value) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string_view text = value.string();
  if (text.size() % 4 != 0) value.fail("not valid base64: its length is not a multiple of 4");
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = alphabet.find(c);
    if (digit == alphabet.npos) value.fail(fmt::format("not valid base64: the character {:?}", c));
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count);
    }
  }
  return bytes;
}

// Units of Darts-clone.
bool has_leaf(uint32_t unit) {
  return unit >> 8 & 1;
}
uint32_t label(uint32_t unit) {
  return unit & (uint32_t{1} << 31 | 0xFF);
}
size_t offset(uint32_t unit) {
  return static_cast<size_t>(unit >> 10) << ((unit & (1u << 9)) >> 6);
}
size_t leaf_value(uint32_t unit) {
  return unit & ((uint32_t{1} << 31) - 1);
}

// The end of the grapheme cluster (UAX 29) that begins at `begin`.
size_t grapheme_end(std::string_view text, size_t begin) {
  const auto code = [&](size_t i) {
    return static_cast<utf8proc_int32_t>(older_equivalent(first_character(text.substr(i))));
  };
  utf8proc_int32_t state = 0;
  utf8proc_int32_t previous = code(begin);
  for (size_t i = begin + character_size(text[begin]); i < text.size(); i += character_size(text[i])) {
    const utf8proc_int32_t next = code(i);
    if (utf8proc_grapheme_break_stateful(previous, next, &state)) return i;
    previous = next;
  }
  return text.size();
}

class CharsmapNormalizer : public Normalizer {
 public:
  CharsmapNormalizer(Charsmap map, std::string place) : map_(std::move(map)), place_(std::move(place)) {
    for (char32_t c = 1; c < first_beyond_ascii; ++c) ascii_[c] = map_.find(std::string(1, static_cast<char>(c)));
  }

  // As the tokenizers library does it: short grapheme clusters become as a whole what their shortest known beginning
  // becomes; of the others every character is looked up by itself.
  void apply(Section& section, size_t longest) const override {
    constexpr size_t longest_short_cluster = 5;  // bytes
    const std::string_view text = section.text;
    std::string out;
    out.reserve(text.size());
    size_t from_first = 0;
    for (size_t i = 0; i < text.size();) {
      const size_t end = is_lone_ascii(text, i) ? i + 1 : grapheme_end(text, i);
      if (end - i > longest_short_cluster || !rewrite(text.substr(i, end - i), out)) {
        for (size_t c = i; c < end; c += character_size(text[c])) {
          const std::string_view character = text.substr(c, character_size(text[c]));
          if (!rewrite(character, out)) out += character;
        }
      }
      if (out.size() > longest) bad_input("{}: makes more than {} bytes of a text of {}", place_, longest, text.size());
      if (i < section.from_first) from_first = out.size();
      i = end;
    }
    // A first character that is removed leaves its place to the next one.
    if (section.from_first > 0 && !out.empty()) from_first = std::max(from_first, character_size(out[0]));
    section.from_first = from_first;
    section.text = std::move(out);
  }

 private:
  static bool is_lone_ascii(std::string_view text, size_t i) {
    const auto is_ascii_at = [&](size_t place) { return static_cast<uint8_t>(text[place]) < first_beyond_ascii; };
    return is_ascii_at(i) && (i + 1 == text.size() || (is_ascii_at(i + 1) && text[i] != '\r'));
  }

  bool rewrite(std::string_view part, std::string& out) const {
    const auto lead = static_cast<uint8_t>(part[0]);
    const auto replacement = part.size() == 1 && lead < first_beyond_ascii ? ascii_[lead] : map_.find(part);
    if (replacement) out += *replacement;
    return replacement.has_value();
  }

  const Charsmap map_;
  std::array<std::optional<std::string_view>, first_beyond_ascii> ascii_;  // views into map_
  const std::string place_;
};

}  // namespace

Charsmap::Charsmap(std::string_view bytes, std::string place) : place_(std::move(place)) {
  if (bytes.size() < 4) bad_input("{}: cut short: {} bytes", place_, bytes.size());
  const size_t trie_size = little_endian(bytes);
  bytes.remove_prefix(4);
  if (trie_size == 0 || trie_size % 4 != 0) bad_input("{}: a trie can't have {} bytes", place_, trie_size);
  if (trie_size > bytes.size()) {
    bad_input("{}: cut short: the trie should have {} bytes, but only {} follow", place_, trie_size, bytes.size());
  }
  units_.reserve(trie_size / 4);
  for (size_t i = 0; i < trie_size; i += 4) units_.push_back(little_endian(bytes.substr(i)));
  replacements_ = bytes.substr(trie_size);
  if (!is_valid_utf8(replacements_)) bad_input("{}: the replacements are not valid UTF-8", place_);
}

uint32_t Charsmap::unit(size_t index) const {
  if (index >= units_.size()) {
    bad_input("{}: the trie points to its unit {}, but has only {}", place_, index, units_.size());
  }
  return units_[index];
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  size_t node = offset(unit(0));
  for (const char byte : text) {
    if (byte == 0) break;
    node ^= static_cast<uint8_t>(byte);
    const uint32_t here = unit(node);
    if (label(here) != static_cast<uint8_t>(byte)) break;
    node ^= offset(here);
    if (!has_leaf(here)) continue;
    const size_t begin = leaf_value(unit(node));
    const bool inside = begin < replacements_.size() && (static_cast<uint8_t>(replacements_[begin]) & 0xC0) != 0x80;
    if (!inside && begin != replacements_.size()) {
      bad_input("{}: the trie points to byte {} of the replacements, where none begins", place_, begin);
    }
    const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
    return std::string_view(replacements_).substr(begin, end - begin);
  }
  return {};
}

std::unique_ptr<Normalizer> make_charsmap(const JsonView& component) {
  const JsonView map = component.at("precompiled_charsmap");
  return std::make_unique<CharsmapNormalizer>(Charsmap(decode_base64(map), map.place()), map.place());
}

}  // namespace sleb
