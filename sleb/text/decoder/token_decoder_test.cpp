#include "sleb/text/decoder/token_decoder.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"
#include "sleb/text/decoder/text_stream.h"

namespace sleb {
namespace {

// What a stream of `tokens` gives after each and at the end, with "|" between.
std::string streamed(const Json& component, const std::vector<std::string>& tokens) {
  const TokenDecoder decoder = component.is_null() ? TokenDecoder() : TokenDecoder(JsonView(component, "x"));
  TokenTexts texts;
  for (size_t i = 0; i < tokens.size(); ++i) texts.text.emplace(i, tokens[i]);
  TextStream stream(texts, decoder, false);
  std::string given;
  for (size_t i = 0; i < tokens.size(); ++i) given += stream.add(static_cast<int64_t>(i)) + "|";
  return given += stream.finish();
}

std::string refusal(const Json& component, const std::vector<std::string>& tokens = {}) {
  return error_message([&] { streamed(component, tokens); });
}

Json strip(const std::string& content, int64_t start, int64_t stop) {
  return {{"type", "Strip"}, {"content", content}, {"start", start}, {"stop", stop}};
}

Json replace(const std::string& text, const std::string& by) {
  return {{"type", "Replace"}, {"pattern", {{"String", text}}}, {"content", by}};
}

Json sequence(const std::vector<Json>& decoders) {
  return {{"type", "Sequence"}, {"decoders", decoders}};
}

const Json byte_level = {{"type", "ByteLevel"}};
const Json byte_fallback = {{"type", "ByteFallback"}};
const Json fuse = {{"type", "Fuse"}};

TEST(TokenDecoder, WithoutOneTokensStandApart) {
  EXPECT_EQ(streamed(nullptr, {"a", "", "b"}), "a| | b|");
}

TEST(TokenDecoder, BytesWaitForTheRestOfTheirCharacter) {
  EXPECT_EQ(streamed(byte_level, {"Ġa", "ä¸", "Ń"}), " a||中|");
  EXPECT_EQ(streamed(byte_level, {"ä¸", "a"}),
            "|\xEF\xBF\xBD"
            "a|");
  EXPECT_EQ(streamed(byte_level, {"ä¸"}), "|\xEF\xBF\xBD");
  EXPECT_EQ(streamed(byte_level, {"a b"}), "a b|");  // an added token that has a blank of its own
}

TEST(TokenDecoder, ByteTokensWaitForTheEndOfTheirRun) {
  EXPECT_EQ(streamed(byte_fallback, {"<0xC3>", "<0xA9>", "x"}), "||éx|");
  EXPECT_EQ(streamed(byte_fallback, {"<0xC3>", "<0xA9>", "<0xFF>"}), "|||\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(TokenDecoder, StripHoldsBackWhatMayBeTheEnd) {
  EXPECT_EQ(streamed(sequence({fuse, strip("a", 1, 2)}), {"aa", "a", "b", "aaa"}), "||aab|a|");
}

TEST(TokenDecoder, MalformedComponentsAreRefused) {
  EXPECT_EQ(refusal({{"type", "Other"}}), "x: the decoder \"Other\" is not supported");
  EXPECT_EQ(refusal(sequence({fuse, {{"type", "Other"}}})), "x: decoders[1]: the decoder \"Other\" is not supported");
  EXPECT_EQ(refusal(strip("ab", 1, 0)), "x: content: \"ab\" is not one character");
  EXPECT_NE(refusal(strip("a", -1, 0)), "no error");
  EXPECT_NE(refusal({{"type", "WordPiece"}, {"prefix", "##"}}), "no error");
  EXPECT_NE(refusal({{"type", "CTC"}, {"pad_token", 1}}), "no error");
  EXPECT_NE(refusal({{"type", "Replace"}, {"pattern", {{"Regex", "("}}}, {"content", ""}}), "no error");
  EXPECT_NE(refusal(replace("a", std::string(1025, 'a'))), "no error");
  EXPECT_EQ(refusal(sequence(std::vector<Json>(65, fuse))), "x: decoders[64]: more than 64 decoders in a row");
}

TEST(TokenDecoder, TextsThatGrowBeyondMeasureAreRefused) {
  const std::string message = "x: makes a text more than 64 times longer";
  EXPECT_EQ(refusal(sequence(std::vector<Json>(9, replace("a", std::string(200, 'a')))), {"a"}), message);
  const Json blank_everywhere = {{"type", "BPEDecoder"}, {"suffix", ""}};
  EXPECT_EQ(refusal(sequence(std::vector<Json>(40, blank_everywhere)), {"a", "b", "c"}), message);
}

}  // namespace
}  // namespace sleb
