#include "sleb/text/normalizer/normalizer.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

Normalizers from(const Json& component) {
  return Normalizers(JsonView(component, "x.json"));
}

std::string applied(const Json& component, const std::string& text) {
  Section section{.text = text};
  from(component).apply(section);
  return section.text;
}

// What is left of the first `count` bytes of `text`.
std::string front(const Json& component, const std::string& text, size_t count = 1) {
  Section section{.text = text, .from_first = count};
  from(component).apply(section);
  return section.text.substr(0, section.from_first);
}

std::string error_of(const Json& component, const std::string& text = "") {
  return error_message([&] { applied(component, text); });
}

Json sequence(const Json& members) {
  return {{"type", "Sequence"}, {"normalizers", members}};
}

Json replace(const std::string& kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

Json strip(bool left, bool right) {
  return {{"type", "Strip"}, {"strip_left", left}, {"strip_right", right}};
}

Json bert(bool clean, bool chinese, const Json& accents, bool lowercase) {
  return {{"type", "BertNormalizer"},
          {"clean_text", clean},
          {"handle_chinese_chars", chinese},
          {"strip_accents", accents},
          {"lowercase", lowercase}};
}

TEST(Normalizers, RunInOrder) {
  const Json steps = sequence({{{"type", "NFKC"}}, sequence(Json::array({{{"type", "Lowercase"}}}))});
  EXPECT_EQ(applied(steps, "\u212B \uFB01"), "\u00E5 fi");
  EXPECT_EQ(applied({{"type", "NFD"}}, "\u00E9"), "e\u0301");
  EXPECT_TRUE(Normalizers().empty());
  EXPECT_TRUE(from(sequence(Json::array())).empty());
}

TEST(Normalizers, Strip) {
  EXPECT_EQ(applied(strip(true, true), " \u3000a b\n\u00A0"), "a b");
  EXPECT_EQ(applied(strip(true, false), " a "), "a ");
  EXPECT_EQ(applied(strip(false, true), " a\u3000"), " a");
  EXPECT_EQ(applied(strip(true, true), " \u3000"), "");
}

TEST(Normalizers, CharacterByCharacter) {
  EXPECT_EQ(applied({{"type", "StripAccents"}}, "e\u0301\u00E9"), "e\u00E9");
  EXPECT_EQ(applied({{"type", "Nmt"}},
                    "\x01"
                    "a\t\u200B\u2581\uFEFFb\x7F"),
            "a    b");
  EXPECT_EQ(applied({{"type", "ByteLevel"}}, "a \u00E9"), "aĠÃ©");
  EXPECT_EQ(applied(bert(true, true, nullptr, true), "\u00C9T\u00C9\x07\u6F22\r\n\uFFFD"), "ete 漢   ");
  EXPECT_EQ(applied(bert(false, false, false, true), "\u00C9\x07"), "\u00E9\x07");
  EXPECT_EQ(applied(bert(false, false, true, false), "\u00C9"), "E");
}

TEST(Normalizers, PrependAndReplace) {
  EXPECT_EQ(applied({{"type", "Prepend"}, {"prepend", "▁"}}, "a"), "▁a");
  EXPECT_EQ(applied({{"type", "Prepend"}, {"prepend", "▁"}}, ""), "");
  EXPECT_EQ(applied(replace("String", " ", "▁"), " a  b"), "▁a▁▁b");
  EXPECT_EQ(applied(replace("String", "aa", "a"), "aaaaa"), "aaa");
  EXPECT_EQ(applied(replace("String", ".", "!"), "a.b"), "a!b");
  EXPECT_EQ(applied(replace("Regex", " {2,}", " "), "a   b c  "), "a b c ");
  // Empty matches, in text that is not empty.
  EXPECT_EQ(applied(replace("String", "", "-"), "ab"), "-a-b-");
  EXPECT_EQ(applied(replace("Regex", "^", "▁"), "ab"), "▁ab");
  EXPECT_EQ(applied(replace("Regex", "^", "▁"), ""), "");
}

TEST(Normalizers, TellWhatStemsFromTheFirstCharacter) {
  EXPECT_EQ(front({{"type", "Prepend"}, {"prepend", "xy"}}, "ab"), "xya");
  EXPECT_EQ(front({{"type", "NFKC"}}, "\u00BD!", 2), "1\u20442");
  EXPECT_EQ(front({{"type", "NFC"}}, "e\u0301x"), "\u00E9");
  EXPECT_EQ(front(strip(true, true), " ab"), "");
  EXPECT_EQ(front(strip(false, true), "ab "), "a");
  EXPECT_EQ(front({{"type", "Nmt"}},
                  "\x01"
                  "ab"),
            "");
  EXPECT_EQ(front(replace("String", "a", "xy"), "ab"), "xy");
  EXPECT_EQ(front(replace("String", "ab", "x"), "abc"), "");
  EXPECT_EQ(front(replace("String", "b", "xy"), "abc"), "a");
  Section later{.text = "ab"};
  from({{"type", "Prepend"}, {"prepend", "x"}}).apply(later);
  EXPECT_EQ(later.from_first, 0u);
}

TEST(Normalizers, UnknownAndMalformedAreRefused) {
  EXPECT_EQ(error_of(sequence({{{"type", "NFC"}}, {{"type", "Cyrillic"}}})),
            "x.json: normalizers[1]: the normalizer \"Cyrillic\" is not supported");
  EXPECT_EQ(error_of({{"type", "Sequence"}}), "x.json: lacks \"normalizers\"");
  EXPECT_EQ(error_of({{"kind", "NFC"}}), "x.json: lacks \"type\"");
  EXPECT_EQ(error_of(Json::array({"NFC"})), "x.json: expected an object");
  EXPECT_EQ(error_of({{"type", "Strip"}, {"strip_left", 1}, {"strip_right", true}}),
            "x.json: strip_left: expected true or false");
  EXPECT_EQ(error_of({{"type", "Prepend"}}), "x.json: lacks \"prepend\"");
  EXPECT_EQ(error_of({{"type", "Replace"}, {"pattern", "a"}, {"content", ""}}), "x.json: pattern: expected an object");
  EXPECT_EQ(error_of(replace("Glob", "*", "")), "x.json: pattern: expected a \"Regex\" or a \"String\"");
  EXPECT_EQ(error_of(replace("Regex", "(", "")),
            "x.json: pattern.Regex: not a valid pattern: end pattern with unmatched parenthesis");
}

TEST(Normalizers, TextsDoNotGrowBeyondMeasure) {
  const std::string text(100000, 'a');
  EXPECT_EQ(error_of({{"type", "Prepend"}, {"prepend", std::string(5000, 'x')}}),
            "x.json: prepend: 5000 bytes are too many to put into a text");
  EXPECT_EQ(error_of(replace("String", "a", std::string(1000, 'x')), text),
            "x.json: makes 100000000 bytes of a text of 100000");
  Json doubling = Json::array();
  for (int i = 0; i < 40; ++i) doubling.push_back(replace("String", "a", "aa"));
  EXPECT_TRUE(error_of(sequence(doubling), text).starts_with("x.json: normalizers[6]: makes "))
      << error_of(sequence(doubling), text);
}

TEST(Normalizers, RunawayPatternsAreStopped) {
  EXPECT_EQ(error_of(replace("Regex", "(x+x+)+y", ""), std::string(60, 'x')),
            "x.json: pattern.Regex: searching a text of 60 bytes: retry-limit-in-match over");
  // Every place by itself is cheap enough, all together would take the square of the text's length.
  EXPECT_EQ(error_of(replace("Regex", "(?:x|z)+y", ""), std::string(100000, 'x')),
            "x.json: pattern.Regex: searching a text of 100000 bytes: retry-limit-in-search over");
}

}  // namespace
}  // namespace sleb
