#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Strings = std::vector<std::string>;

Strings cut(const Json& component, const std::string& text) {
  Pieces pieces{text};
  PreTokenizers(JsonView(component, "x.json")).apply(pieces);
  Strings cut;
  for (const Span& span : pieces.spans) cut.emplace_back(pieces.piece(span));
  return cut;
}

std::string error_of(const Json& component) {
  return error_message([&] { cut(component, ""); });
}

Json split(const Json& pattern, const std::string& behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", invert}};
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

// The examples in tokenizers' documentation of SplitDelimiterBehavior and in its tests of Split.
TEST(PreTokenizers, SplitBehaviors) {
  const Json dash = {{"String", "-"}};
  const std::string text = "the-final--countdown";
  EXPECT_EQ(cut(split(dash, "Removed"), text), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(cut(split(dash, "Isolated"), text), (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(cut(split(dash, "MergedWithPrevious"), text), (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(cut(split(dash, "MergedWithNext"), text), (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(cut(split(dash, "Contiguous"), text), (Strings{"the", "-", "final", "--", "countdown"}));
}

TEST(PreTokenizers, SplitInverted) {
  const Json words = {{"Regex", "\\w+|[^\\w\\s]+"}};
  const std::string text = "How are you doing?";
  EXPECT_EQ(cut(split(words, "Removed", true), text), (Strings{"How", "are", "you", "doing", "?"}));
  EXPECT_EQ(cut(split(words, "MergedWithPrevious", true), text), (Strings{"How ", "are ", "you ", "doing", "?"}));
  EXPECT_EQ(cut(split(words, "MergedWithNext", true), text), (Strings{"How", " are", " you", " doing", "?"}));
  EXPECT_EQ(cut(split(words, "Contiguous", true), text), (Strings{"How", " ", "are", " ", "you", " ", "doing?"}));
}

TEST(PreTokenizers, ByteLevelCutsAndSpells) {
  EXPECT_EQ(cut(byte_level(false, true), "I'll go  to é\n"), (Strings{"I", "'ll", "Ġgo", "Ġ", "Ġto", "ĠÃ©", "Ċ"}));
  EXPECT_EQ(cut(byte_level(true, false), "a b"), Strings{"ĠaĠb"});
  EXPECT_EQ(cut(byte_level(true, false), " a"), Strings{"Ġa"});
  EXPECT_EQ(cut(byte_level(true, true), ""), Strings{});
  EXPECT_EQ(cut(byte_level(false, false), std::string("\0\x7F\xC2\xAD", 4)), Strings{"ĀġÂŃ"});
}

TEST(PreTokenizers, ByCharacterClass) {
  const auto digits = [](bool individual) { return Json{{"type", "Digits"}, {"individual_digits", individual}}; };
  EXPECT_EQ(cut(digits(true), "a12 b½"), (Strings{"a", "1", "2", " b", "½"}));
  EXPECT_EQ(cut(digits(false), "a12 b½"), (Strings{"a", "12", " b", "½"}));
  EXPECT_EQ(cut({{"type", "Punctuation"}}, "a,, b"), (Strings{"a", ",", ",", " b"}));
  EXPECT_EQ(cut({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a,, b"), (Strings{"a", ",,", " b"}));
  EXPECT_EQ(cut({{"type", "WhitespaceSplit"}}, " a,\u3000 b "), (Strings{"a,", "b"}));
  EXPECT_EQ(cut({{"type", "Whitespace"}}, " a_1,? b\u200Dc½ "), (Strings{"a_1", ",?", "b\u200Dc", "½"}));
}

// Every step sees the pieces of the step before as texts of their own.
TEST(PreTokenizers, SequenceCutsPiecesFurther) {
  const Json steps = {split({{"Regex", "\\p{N}"}}, "Isolated"), byte_level(false, true)};
  EXPECT_EQ(cut({{"type", "Sequence"}, {"pretokenizers", steps}}, "a  12 "), (Strings{"a", "ĠĠ", "1", "2", "Ġ"}));
}

Json metaspace(const std::string& scheme, bool split) {
  return {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", split}};
}

TEST(PreTokenizers, MetaspaceShowsBlanks) {
  EXPECT_EQ(cut(metaspace("always", true), "a  b c"), (Strings{"▁a", "▁", "▁b", "▁c"}));
  EXPECT_EQ(cut(metaspace("always", false), "a b"), Strings{"▁a▁b"});
  EXPECT_EQ(cut(metaspace("never", true), "a▁b"), (Strings{"a", "▁b"}));
  EXPECT_EQ(cut(metaspace("always", true), " a"), Strings{"▁a"});
  EXPECT_EQ(cut(metaspace("always", true), "▁a"), Strings{"▁a"});
  const Json every_piece = {{{"type", "WhitespaceSplit"}}, metaspace("always", true)};
  EXPECT_EQ(cut({{"type", "Sequence"}, {"pretokenizers", every_piece}}, "a b"), (Strings{"▁a", "▁b"}));
}

TEST(PreTokenizers, MetaspaceBeforeTheFirst) {
  const Json steps = {{"type", "Sequence"},
                      {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, metaspace("first", true)}}};
  const auto cut_beginning = [&](const std::string& text, size_t from_first) {
    Pieces pieces(text, from_first);
    PreTokenizers(JsonView(steps, "x.json")).apply(pieces);
    Strings cut;
    for (const Span& span : pieces.spans) cut.emplace_back(pieces.piece(span));
    return cut;
  };
  EXPECT_EQ(cut_beginning("1a", 1), (Strings{"▁1", "a"}));
  EXPECT_EQ(cut_beginning("12a", 2), (Strings{"▁1", "▁2", "a"}));
  EXPECT_EQ(cut_beginning("1a", 0), (Strings{"1", "a"}));
}

TEST(PreTokenizers, MetaspaceInTheOldSpelling) {
  const auto old = [](bool add_prefix_space) {
    return Json{{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", add_prefix_space}};
  };
  EXPECT_EQ(cut(old(true), "a b"), (Strings{"_a", "_b"}));
  Json never = old(false);
  never["prepend_scheme"] = "never";
  EXPECT_EQ(cut(never, "a b"), (Strings{"a", "_b"}));
}

TEST(PreTokenizers, BertCutsAtBlanksAndPunctuation) {
  EXPECT_EQ(cut({{"type", "BertPreTokenizer"}}, "Hey friend!  \tHow's\u3000it?!"),
            (Strings{"Hey", "friend", "!", "How", "'", "s", "it", "?", "!"}));
}

TEST(PreTokenizers, ByDelimiterLengthAndScript) {
  EXPECT_EQ(cut({{"type", "CharDelimiterSplit"}, {"delimiter", "é"}}, "aébéé"), (Strings{"a", "b"}));
  EXPECT_EQ(cut({{"type", "FixedLength"}, {"length", 2}}, "aébcd"), (Strings{"aé", "bc", "d"}));
  EXPECT_EQ(cut({{"type", "FixedLength"}}, "abcdefg"), (Strings{"abcde", "fg"}));
  // The examples in tokenizers' tests of UnicodeScripts.
  EXPECT_EQ(cut({{"type", "UnicodeScripts"}}, "どこで生れ。Yes"), (Strings{"どこで生れ", "。", "Yes"}));
  EXPECT_EQ(cut({{"type", "UnicodeScripts"}}, "Apples are りんご 林檎"), (Strings{"Apples are ", "りんご 林檎"}));
  EXPECT_EQ(cut({{"type", "UnicodeScripts"}}, "  "), Strings{});
}

TEST(PreTokenizers, UnknownAndMalformedAreRefused) {
  EXPECT_EQ(error_of({{"type", "Sentences"}}), "x.json: the pre-tokenizer \"Sentences\" is not supported");
  EXPECT_EQ(error_of({{"type", "Metaspace"}, {"replacement", "__"}}),
            "x.json: replacement: \"__\" is not one character");
  EXPECT_EQ(error_of({{"type", "Metaspace"}, {"replacement", ""}}), "x.json: replacement: \"\" is not one character");
  EXPECT_EQ(error_of(metaspace("last", true)), "x.json: prepend_scheme: the scheme \"last\" is not supported");
  Json contradictory = metaspace("first", true);
  contradictory["add_prefix_space"] = false;
  EXPECT_EQ(error_of(contradictory), "x.json: add_prefix_space is off, but prepend_scheme is \"first\"");
  EXPECT_EQ(error_of({{"type", "CharDelimiterSplit"}, {"delimiter", "ab"}}),
            "x.json: delimiter: \"ab\" is not one character");
  EXPECT_EQ(error_of({{"type", "FixedLength"}, {"length", 0}}), "x.json: length: 0 is not a length");
  EXPECT_EQ(error_of(split({{"String", "-"}}, "Merged")),
            "x.json: behavior: the split behavior \"Merged\" is not supported");
  EXPECT_EQ(error_of(split({{"Glob", "-"}}, "Removed")), "x.json: pattern: expected a \"Regex\" or a \"String\"");
  EXPECT_EQ(error_of(split({{"Regex", "["}}, "Removed")),
            "x.json: pattern.Regex: not a valid pattern: premature end of char-class");
  EXPECT_EQ(error_of({{"type", "ByteLevel"}}), "x.json: lacks \"add_prefix_space\"");
  EXPECT_EQ(error_of({{"type", "Sequence"}, {"pretokenizers", {{{"type", "Digits"}}}}}),
            "x.json: pretokenizers[0]: lacks \"individual_digits\"");
}

// Every step of them doubles what is not ASCII.
TEST(PreTokenizers, GrowthWithoutEndIsRefused) {
  Json steps = Json::array();
  for (int i = 0; i < 60; ++i) steps.push_back(byte_level(false, false));
  const Json component = {{"type", "Sequence"}, {"pretokenizers", steps}};
  Pieces pieces{"\u00E9"};
  const PreTokenizers endless(JsonView(component, "x.json: pre_tokenizer"));
  EXPECT_EQ(error_message([&] { endless.apply(pieces); }),
            "x.json: pre_tokenizer: makes a text more than 64 times longer");
}

}  // namespace
}  // namespace sleb
