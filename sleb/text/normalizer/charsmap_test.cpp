#include "sleb/text/normalizer/charsmap.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

// A double array made by hand. Its root's children are at its offset xor their byte, a node's leaf at the node's place
// xor its offset; see Charsmap for the bits.
class TrieMaker {
 public:
  TrieMaker() : units_(1024) { units_[0] = unit(0, root_offset, false); }

  // A key of one byte: its leaf is put to `leaf`, within the block of 256 units that begins at `block`.
  void add(uint8_t byte, uint32_t block, uint32_t value) {
    const uint32_t place = root_offset ^ byte;
    units_[place] = unit(byte, block, true);
    units_[place ^ block] = uint32_t{1} << 31 | value;
  }
  // A node that leads to another, not to a leaf.
  void add_inner(uint8_t byte, uint32_t block) { units_[root_offset ^ byte] = unit(byte, block, false); }
  void set(size_t index, uint32_t value) { units_[index] = value; }
  static uint32_t unit(uint8_t label, uint32_t offset, bool leaf) { return offset << 10 | uint32_t{leaf} << 8 | label; }

  std::string bytes(const std::string& replacements) const {
    std::string all;
    const auto append = [&](uint32_t value) {
      for (int shift = 0; shift < 32; shift += 8) all += static_cast<char>(value >> shift);
    };
    append(static_cast<uint32_t>(units_.size() * 4));
    for (const uint32_t value : units_) append(value);
    return all + replacements;
  }

  static constexpr uint32_t root_offset = 256;

 private:
  std::vector<uint32_t> units_;
};

using namespace std::string_literals;

std::string small() {
  TrieMaker trie;
  trie.add('a', 512, 0);   // "xyz"
  trie.add('b', 768, 4);   // ""
  trie.add('\r', 512, 5);  // " "
  return trie.bytes("xyz\0\0 \0"s);
}

std::string base64(std::string_view bytes) {
  constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

Section applied(const std::string& map, const std::string& text, size_t from_first = 0) {
  const Json component = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(map)}};
  Section section{.text = text, .from_first = from_first};
  Normalizers(JsonView(component, "x.json")).apply(section);
  return section;
}

std::string error_of(const std::string& map, const std::string& text = "a") {
  return error_message([&] { applied(map, text); });
}

TEST(Charsmap, RewritesCharacters) {
  EXPECT_EQ(applied(small(), "cabad").text, "cxyzxyzd");
  EXPECT_EQ(applied(small(), "").text, "");
  EXPECT_EQ(applied(small(), "\0a"s).text, "\0xyz"s);
}

// As the library does: a short grapheme cluster becomes what its shortest known beginning becomes.
TEST(Charsmap, ShortClustersAreRewrittenAsAWhole) {
  EXPECT_EQ(applied(small(), "a\u0301c").text, "xyzc");
  EXPECT_EQ(applied(small(), "a\u0301\u0302\u0303").text, "xyz\u0301\u0302\u0303");
  EXPECT_EQ(applied(small(), "\r\n\r").text, "  ");
}

TEST(Charsmap, TellsWhatStemsFromTheFirstCharacter) {
  const auto front = [](const std::string& text) {
    const Section section = applied(small(), text, 1);
    return section.text.substr(0, section.from_first);
  };
  EXPECT_EQ(front("ca"), "c");
  EXPECT_EQ(front("aa"), "xyz");
  EXPECT_EQ(front("a\u0301c"), "x");
  EXPECT_EQ(front("ab"), "xy");  // what is removed is booked to the last character before it
  EXPECT_EQ(front("bca"), "c");  // or forgotten
}

TEST(Charsmap, MalformedMapsAreRefused) {
  EXPECT_EQ(error_of(""), "x.json: precompiled_charsmap: cut short: 0 bytes");
  EXPECT_EQ(error_of("\x04\0\0"s), "x.json: precompiled_charsmap: cut short: 3 bytes");
  EXPECT_EQ(error_of("\0\0\0\0abc"s), "x.json: precompiled_charsmap: a trie can't have 0 bytes");
  EXPECT_EQ(error_of("\x05\0\0\0abcdef"s), "x.json: precompiled_charsmap: a trie can't have 5 bytes");
  EXPECT_EQ(error_of("\xFC\xFF\xFF\xFF"
                     "abcd"s),
            "x.json: precompiled_charsmap: cut short: the trie should have 4294967292 bytes, but only 4 follow");
  EXPECT_EQ(error_of(small().substr(0, 2000)),
            "x.json: precompiled_charsmap: cut short: the trie should have 4096 bytes, but only 1996 follow");
  EXPECT_EQ(error_of(small() + "\xFF"), "x.json: precompiled_charsmap: the replacements are not valid UTF-8");
  for (size_t size = 0; size < small().size(); size += 7) error_of(small().substr(0, size), "abc\r\n");
}

TEST(Charsmap, TriesThatPointOutsideThemselvesAreRefused) {
  TrieMaker far;
  far.add_inner(0xC3, 1u << 20);
  EXPECT_EQ(error_of(far.bytes("x"), "\u00E9"),
            "x.json: precompiled_charsmap: the trie points to its unit 1048938, but has only 1024");
  TrieMaker root;
  root.set(0, TrieMaker::unit(0, 1u << 21, false));
  EXPECT_TRUE(
      error_of(root.bytes("x")).starts_with("x.json: precompiled_charsmap: the trie points to its unit 209715"));
  TrieMaker beyond;
  beyond.add(0xC3, 512, 9);
  EXPECT_EQ(error_of(beyond.bytes("x"), "\u00E9"),
            "x.json: precompiled_charsmap: the trie points to byte 9 of the replacements, where none begins");
  TrieMaker within;
  within.add(0xC3, 512, 1);
  EXPECT_EQ(error_of(within.bytes("\u00E9"), "\u00E9"),
            "x.json: precompiled_charsmap: the trie points to byte 1 of the replacements, where none begins");
  TrieMaker cycle;
  cycle.add_inner('a', 0);
  EXPECT_EQ(error_of(cycle.bytes("x"), "aaaa"), "no error");
}

TEST(Charsmap, TextsDoNotGrowBeyondMeasure) {
  TrieMaker trie;
  trie.add('a', 512, 0);
  EXPECT_TRUE(error_of(trie.bytes(std::string(100000, 'x')), std::string(100000, 'a'))
                  .starts_with("x.json: precompiled_charsmap: makes more than "));
}

TEST(Charsmap, NotBase64IsRefused) {
  const auto error = [](const std::string& text) -> std::string {
    const Json component = {{"type", "Precompiled"}, {"precompiled_charsmap", text}};
    return error_message([&] { Normalizers(JsonView(component, "x.json")); });
  };
  EXPECT_EQ(error("abc"), "x.json: precompiled_charsmap: not valid base64: its length is not a multiple of 4");
  EXPECT_EQ(error("ab\"c"), "x.json: precompiled_charsmap: not valid base64: the character '\"'");
  EXPECT_EQ(error("a==="), "x.json: precompiled_charsmap: not valid base64: the character '='");
}

}  // namespace
}  // namespace sleb
