#include "sleb/text/pipeline/added_tokens.h"

#include <gtest/gtest.h>

#include <memory>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

// A vocabulary of "a" and "b", ids 0 and 1.
std::unique_ptr<TokenModel> small_model() {
  const Json model = parse_json(R"({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []})", "model");
  return make_token_model(JsonView(model, "model"));
}

Json token(const std::string& content, int64_t id, const Json& flags = Json::object()) {
  Json entry = {{"id", id},        {"content", content}, {"special", false},   {"single_word", false},
                {"lstrip", false}, {"rstrip", false},    {"normalized", false}};
  entry.update(flags);
  return entry;
}

Normalizers lowercase_normalizer() {
  const Json component = {{"type", "Lowercase"}};
  return Normalizers(JsonView(component, "n"));
}

// The text with added tokens as "<id>" and the pieces between them in quotes.
std::string cut(const Json& list, std::string_view text, const Normalizers& normalizers = {}) {
  const AddedTokens tokens(JsonView(list, "x.json: added_tokens"), *small_model(), normalizers);
  std::string shown;
  tokens.cut(
      text, normalizers, [&](const Section& piece) { shown += "'" + piece.text + "'"; },
      [&](int64_t id) { shown += "<" + std::to_string(id) + ">"; });
  return shown;
}

std::string error_of(const Json& list) {
  return error_message([&] { cut(list, ""); });
}

TEST(AddedTokens, LongestAtLeftmostPlace) {
  const Json list = {token("<x>", 2), token("<x>y", 3), token("x>yz", 4)};
  EXPECT_EQ(cut(list, "a<x>yz<x><x"), "'a'<3>'z'<2>'<x'");
  EXPECT_EQ(cut(list, "<x>"), "<2>");
  EXPECT_EQ(cut(list, ""), "");
  EXPECT_EQ(cut(Json::array(), "abc"), "'abc'");
}

TEST(AddedTokens, BlanksAroundAreTakenIfWanted) {
  EXPECT_EQ(cut(Json::array({token("<x>", 2, {{"lstrip", true}})}), "a \u3000\n<x> b"), "'a'<2>' b'");
  EXPECT_EQ(cut(Json::array({token("<x>", 2, {{"rstrip", true}})}), "a <x> \t b"), "'a '<2>'b'");
  EXPECT_EQ(cut(Json::array({token("<x>", 2, {{"lstrip", true}, {"rstrip", true}})}), " <x> <x> "), "<2><2>");
}

// What the library does where tokens overlap blanks that another token took.
TEST(AddedTokens, TokensAmongTakenBlanks) {
  EXPECT_EQ(cut({token("<x>", 2, {{"rstrip", true}}), token("  ", 3)}, "<x>    b"), "<2><3><3>'b'");
  EXPECT_EQ(cut({token("<x>", 2, {{"rstrip", true}}), token(" ", 3, {{"lstrip", true}})}, "<x> b"), "<2>'b'");
}

TEST(AddedTokens, SingleWords) {
  const Json list = Json::array({token("cat", 2, {{"single_word", true}})});
  EXPECT_EQ(cut(list, "cat, cats \u00E9cat cat\u00BD"), "<2>', cats \u00E9cat '<2>'\u00BD'");
}

TEST(AddedTokens, NormalizedTokensAreFoundInNormalizedText) {
  const Normalizers lower = lowercase_normalizer();
  const Json list = {token("ABC", 2, {{"normalized", true}}), token("XYZ", 3)};
  EXPECT_EQ(cut(list, "-AbC-XYZ-xyz-", lower), "'-'<2>'-'<3>'-xyz-'");
  // Special tokens come first where two read the same once normalized.
  const Json same = {token("Q", 2, {{"normalized", true}}), token("q", 3, {{"normalized", true}, {"special", true}})};
  EXPECT_EQ(cut(same, "Q", lower), "<3>");
}

// What Metaspace needs to know of a section: how much of it stems from the first character of the whole input.
TEST(AddedTokens, SectionsKnowTheBeginningOfTheInput) {
  const Json list = Json::array({token("<x>", 2), token("bc", 3, {{"normalized", true}})});
  const Json component = {{"type", "Prepend"}, {"prepend", "bbc"}};
  const Normalizers prepend(JsonView(component, "n"));
  const AddedTokens tokens(JsonView(list, "x.json: added_tokens"), *small_model(), prepend);
  std::string shown;
  tokens.cut(
      "a<x>a", prepend,
      [&](const Section& section) { shown += section.text + ":" + std::to_string(section.from_first) + " "; },
      [&](int64_t id) { shown += std::to_string(id) + " "; });
  EXPECT_EQ(shown, "bbca:4 2 bbca:0 ");
}

TEST(AddedTokens, IdsFollowTheVocabulary) {
  EXPECT_EQ(cut({token("b", 1), token("new", 2), token("", 9)}, "abnew"), "'a'<1><2>");
  EXPECT_EQ(cut({token("new", 2), token("b", 1), token("newer", 3)}, "newerbnew"), "<3><1><2>");
  EXPECT_EQ(cut({token("b", 7), token("new", 9), token("hole", 5)}, "bnewhole"), "<1><2><3>")
      << "the library gives ids itself";
  EXPECT_EQ(cut({token("new", 2), token("new", 3)}, "anew"), "'a'<2>") << "listed twice";
}

TEST(AddedTokens, MalformedEntriesAreRefused) {
  EXPECT_EQ(error_of(Json::array({token("x", -1)})), "x.json: added_tokens[0].id: -1 is less than 0");
  EXPECT_EQ(error_of(Json::array({token("x", int64_t{1} << 40)})),
            "x.json: added_tokens[0].id: 1099511627776 is more than 2147483647");
  EXPECT_EQ(error_of(Json::array({token("x", 2, {{"lstrip", 1}})})),
            "x.json: added_tokens[0].lstrip: expected true or false");
  EXPECT_EQ(error_of(Json::array({token(std::string(5000, 'x'), 2)})),
            "x.json: added_tokens[0]: a token of 5000 bytes is too long");
  EXPECT_EQ(error_of(Json::object()), "x.json: added_tokens: expected an array");
}

TEST(AddedTokens, RunsOfBlanksAreNotQuadratic) {
  const Json list = Json::array({token(" ", 2, {{"lstrip", true}, {"rstrip", true}})});
  EXPECT_EQ(cut(list, "a" + std::string(1000000, ' ') + "b"), "'a'<2>'b'");
}

}  // namespace
}  // namespace sleb
