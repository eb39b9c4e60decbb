#include "sleb/text/normalizer/charsmap.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/unicode/versions.h"

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
  constexpr utf8proc_int32_t old_mark = 0x300;
  const auto code = [&](size_t i) {
    const char32_t character = first_character(text.substr(i));
    if (is_new_mark_of_unicode_17(character)) return old_mark;
    return static_cast<utf8proc_int32_t>(older_equivalent(character));
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

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// Which characters of the rewritten text stem from the front of the text, as the tokenizers library reckons it
// (NormalizedString::transform): every character of the new text is told to stand for the next character of the old
// one, or to be an addition to the one before, or to stand for the next and some after it that are gone. Removed
// characters are booked to the last new one, whatever that was, and forgotten where there is none.
class FrontTracker {
 public:
  explicit FrontTracker(const Section& section)
      : text_(section.text), front_(section.from_first), settled_(front_ == 0) {}

  // `part` of the text, in order, became `replacement`.
  void replaced(std::string_view part, std::string_view replacement) {
    if (settled_) return;
    const auto added =
        static_cast<int64_t>(count_characters(replacement)) - static_cast<int64_t>(count_characters(part));
    for (size_t i = 0; i < replacement.size(); i += character_size(replacement[i])) {
      changes_.push_back({character_size(replacement[i]), 0});
    }
    for (size_t i = 0; added > 0 && i < static_cast<size_t>(added); ++i) changes_[changes_.size() - 1 - i].change = 1;
    if (added < 0 && !changes_.empty()) changes_.back().change += added;
    // Only the last change can still be altered by what follows.
    settled_ = changes_.size() > 1 && front() < size_without_last();
  }

  // Bytes of the new text.
  size_t front() const {
    size_t size = 0;
    size_t place = 0;  // in the old text
    const auto skip = [&] { place += place < text_.size() ? character_size(text_[place]) : 1; };
    for (const Change& made : changes_) {
      const size_t source = made.change > 0 && place > 0 ? place - 1 : place;
      if (source >= front_) break;
      size += made.size;
      if (made.change <= 0) skip();
      for (int64_t gone = made.change; gone < 0; ++gone) skip();
    }
    return size;
  }

 private:
  struct Change {
    size_t size;     // of the new character, bytes
    int64_t change;  // 1: an addition; 0: stands for one character; -n: for one and n more
  };

  size_t size_without_last() const {
    size_t size = 0;
    for (size_t i = 0; i + 1 < changes_.size(); ++i) size += changes_[i].size;
    return size;
  }

  const std::string_view text_;
  const size_t front_;
  std::vector<Change> changes_;
  bool settled_;
};

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
    FrontTracker tracker(section);
    for (size_t i = 0; i < text.size();) {
      const size_t end = is_lone_ascii(text, i) ? i + 1 : grapheme_end(text, i);
      if (end - i > longest_short_cluster || !rewrite(text.substr(i, end - i), out, tracker)) {
        for (size_t c = i; c < end; c += character_size(text[c])) {
          const std::string_view character = text.substr(c, character_size(text[c]));
          if (rewrite(character, out, tracker)) continue;
          out += character;
          tracker.replaced(character, character);
        }
      }
      if (out.size() > longest) bad_input("{}: makes more than {} bytes of a text of {}", place_, longest, text.size());
      i = end;
    }
    section.from_first = tracker.front();
    section.text = std::move(out);
  }

 private:
  static bool is_lone_ascii(std::string_view text, size_t i) {
    const auto is_ascii_at = [&](size_t place) { return static_cast<uint8_t>(text[place]) < first_beyond_ascii; };
    return is_ascii_at(i) && (i + 1 == text.size() || (is_ascii_at(i + 1) && text[i] != '\r'));
  }

  bool rewrite(std::string_view part, std::string& out, FrontTracker& tracker) const {
    const auto lead = static_cast<uint8_t>(part[0]);
    const auto replacement = part.size() == 1 && lead < first_beyond_ascii ? ascii_[lead] : map_.find(part);
    if (!replacement) return false;
    out += *replacement;
    tracker.replaced(part, *replacement);
    return true;
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

std::string_view Charsmap::replacement_at(size_t begin) const {
  const bool inside = begin < replacements_.size() && (static_cast<uint8_t>(replacements_[begin]) & 0xC0) != 0x80;
  if (!inside && begin != replacements_.size()) {
    bad_input("{}: the trie points to byte {} of the replacements, where none begins", place_, begin);
  }
  const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
  return std::string_view(replacements_).substr(begin, end - begin);
}

void Charsmap::check() const {
  for (size_t i = 0; i < units_.size(); ++i) {
    const bool is_leaf = units_[i] >> 31 != 0;
    if (i != 0 && is_leaf) continue;
    const size_t children = i ^ offset(units_[i]);
    unit(children | 0xFF);  // any byte may follow
    if (has_leaf(units_[i])) replacement_at(leaf_value(unit(children)));
  }
}

std::optional<Charsmap::Rewriting> Charsmap::find(std::string_view text, bool longest) const {
  std::optional<Rewriting> found;
  size_t node = offset(unit(0));
  for (size_t i = 0; i < text.size() && text[i] != 0; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    const uint32_t here = unit(node);
    if (label(here) != byte) break;
    node ^= offset(here);
    if (!has_leaf(here)) continue;
    found = {replacement_at(leaf_value(unit(node))), i + 1};
    if (!longest) break;
  }
  return found;
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  const auto found = find(text, false);
  return found ? std::optional(found->text) : std::nullopt;
}

std::optional<Charsmap::Rewriting> Charsmap::find_longest(std::string_view text) const {
  return find(text, true);
}

bool Charsmap::begins_key(std::string_view text) const {
  size_t node = offset(unit(0));
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const uint32_t here = unit(node ^ byte);
    if (byte == 0 || label(here) != byte) return false;
    node ^= byte ^ offset(here);
  }
  return true;
}

std::unique_ptr<Normalizer> make_charsmap(const JsonView& component) {
  const JsonView map = component.at("precompiled_charsmap");
  return std::make_unique<CharsmapNormalizer>(Charsmap(decode_base64(map), map.place()), map.place());
}

}  // namespace sleb
