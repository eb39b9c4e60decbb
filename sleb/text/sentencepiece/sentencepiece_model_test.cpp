#include "sleb/text/sentencepiece/sentencepiece_model.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"
#include "sleb/text/sentencepiece/sentencepiece_test_model.h"

namespace sleb {
namespace {

using namespace test_model;
using Ids = std::vector<int64_t>;

constexpr uint64_t unigram = 1, bpe = 2;
constexpr uint64_t control = 3, user_defined = 4, unused = 5;

SentencePieceModel model_of(const std::string& bytes) {
  return SentencePieceModel(read_sentencepiece(bytes, "x.model"));
}

Ids ids_of(const SentencePieceModel& model, const std::string& text) {
  Ids ids;
  model.encode(Pieces(text), ids);
  return ids;
}

// `pieces` get ids from 1.
Ids ids_of(uint64_t algorithm, const std::string& pieces, const std::string& text, const std::string& more = "") {
  return ids_of(model_of(unknown_piece() + pieces + trainer(algorithm, more) + normalizer({})), text);
}

std::string all_bytes() {
  std::string pieces;
  for (int byte = 0; byte < 256; ++byte) pieces += piece(fmt::format("<0x{:02X}>", byte), 0, 6);
  return pieces;
}

std::string repeated(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(SentencePieceModel, KnowsItsPieces) {
  const auto model = model_of(unknown_piece() + piece("a") + piece("</s>", 0, control) + trainer(bpe));
  EXPECT_EQ(model.type(), "BPE");
  EXPECT_EQ(model.token_count(), 3);
  EXPECT_EQ(model.id_of("</s>"), 2);
  EXPECT_EQ(model.id_of("b"), std::nullopt);
  EXPECT_EQ(model.tokens()[2].text, "");
  EXPECT_EQ(ids_of(model, ""), Ids{});
}

// The expectations below were checked against the wheel of version 0.2.3.

TEST(PieceBpe, JoinsTheBestPairTheLeftmostFirst) {
  const std::string pieces = piece("a", -9) + piece("b", -9) + piece("ab", -2) + piece("ba", -1) + piece("aa", -2);
  EXPECT_EQ(ids_of(bpe, pieces, "abba"), (Ids{3, 4}));
  EXPECT_EQ(ids_of(bpe, pieces, "aba"), (Ids{1, 4}));
  EXPECT_EQ(ids_of(bpe, pieces, "aab"), (Ids{5, 2}));
  EXPECT_EQ(ids_of(bpe, pieces + piece("aaa", -3), "aaaaa"), (Ids{5, 6}));
  EXPECT_EQ(ids_of(bpe, piece("a", -9) + piece("aa", 0.f) + piece("ab", -0.f) + piece("b", -9), "aab"), (Ids{2, 4}));
}

TEST(PieceBpe, JoinsCharactersThatAreNoPieces) {
  EXPECT_EQ(ids_of(bpe, piece("xy", -1) + piece("xyz", -2), "xyzxyx"), (Ids{2, 1, 0}));
}

TEST(PieceBpe, UnknownCharactersInARowAreOne) {
  EXPECT_EQ(ids_of(bpe, piece("a", -1), "??a??\xE6\xBC\xA2"), (Ids{0, 1, 0}));
}

TEST(PieceBpe, UserDefinedPiecesAreNeverJoined) {
  const std::string pieces = piece("a", -1) + piece("b", -1) + piece("ab", -0.5f) + piece("bb", 0, user_defined) +
                             piece("bba", -0.1f) + piece("bbaa", 0, user_defined);
  EXPECT_EQ(ids_of(bpe, pieces, "abbab"), (Ids{1, 4, 3}));
  EXPECT_EQ(ids_of(bpe, pieces, "bbaabba"), (Ids{6, 4, 1}));
}

TEST(PieceBpe, UnusedPiecesAreTakenApart) {
  const std::string pieces = piece("a", -1) + piece("b", -1, unused) + piece("c", -3) + piece("ab", -.5f) +
                             piece("bc", -.4f, unused) + piece("abc", -.3f) + piece("abcc", -5, unused);
  EXPECT_EQ(ids_of(bpe, pieces, "bc"), (Ids{0, 3}));
  EXPECT_EQ(ids_of(bpe, pieces, "abc"), (Ids{6}));
  EXPECT_EQ(ids_of(bpe, pieces, "cabcc"), (Ids{3, 6, 3}));
  EXPECT_EQ(ids_of(bpe, pieces, "bbb"), (Ids{0}));
}

TEST(PieceBpe, WhatStandsForNoTextIsNotMade) {
  const std::string pieces = piece("<s>", -0.1f, control) + piece("<s", -1) + piece(">", -1) + piece("a", -1, control);
  EXPECT_EQ(ids_of(bpe, pieces, "<s>a"), (Ids{2, 3, 0}));
}

TEST(PieceUnigram, TakesTheMostProbablePieces) {
  const std::string pieces =
      piece("a", -3) + piece("b", -3) + piece("ab", -5) + piece("abb", -9) + piece("c", -1, unused);
  EXPECT_EQ(ids_of(unigram, pieces, "abb"), (Ids{3, 2}));
  EXPECT_EQ(ids_of(unigram, pieces, "a??ab"), (Ids{1, 0, 3}));
  EXPECT_EQ(ids_of(unigram, pieces, "acca"), (Ids{1, 0, 1}));
}

TEST(PieceUnigram, UserDefinedPiecesWin) {
  const std::string pieces = piece("a", -.1f) + piece("bc", -.1f) + piece("abc", -50, user_defined) + piece("z", -1);
  EXPECT_EQ(ids_of(unigram, pieces, "zabcz"), (Ids{4, 3, 4}));
  EXPECT_EQ(ids_of(unigram, piece("a", .1f) + piece("bc", .2f) + piece("abc", 9, user_defined), "abc"), (Ids{1, 2}));
}

// "xy" is worse than its letters, but by less than float32 tells apart at sums as large as these: then the piece that
// begins first stays. Below -100000 counting begins anew.
TEST(PieceUnigram, SumsAreOfFloat32AndBeginAnew) {
  const std::string pieces = piece("a", -1) + piece("x", -1.001f) + piece("y", -1.001f) + piece("xy", -2.003f);
  const auto end_of = [&](size_t letters) {
    const Ids ids = ids_of(unigram, pieces, std::string(letters, 'a') + "xy");
    return Ids(ids.begin() + static_cast<std::ptrdiff_t>(letters), ids.end());
  };
  EXPECT_EQ(end_of(10), (Ids{2, 3}));
  EXPECT_EQ(end_of(99990), (Ids{4}));
  EXPECT_EQ(end_of(100000), (Ids{4}));
  EXPECT_EQ(end_of(100001), (Ids{2, 3}));
}

TEST(SentencePieceModel, UnknownTextBecomesBytes) {
  for (const uint64_t algorithm : {unigram, bpe}) {
    EXPECT_EQ(ids_of(algorithm, all_bytes() + piece("a", -1), "a\xC3\xA9!a", number(35, 1)),
              (Ids{257, 1 + 0xC3, 1 + 0xA9, 1 + '!', 257}));
  }
}

TEST(PieceNormalizer, TreatsBlanksByTheOptions) {
  const auto made = [](const NormalizerFields& fields, const std::string& text, const std::string& more = "") {
    const std::string bytes = unknown_piece() + trainer(unigram, more) + normalizer(fields);
    return PieceNormalizer(read_sentencepiece(bytes, "x.model")).apply(text);
  };
  const std::string blank = "\xE2\x96\x81";
  EXPECT_EQ(made({}, "  a  b "), repeated(blank, 2) + "a" + repeated(blank, 2) + "b" + blank);
  EXPECT_EQ(made({.escape = false}, " a"), " a");
  EXPECT_EQ(made({.extra_whitespaces = true}, "  a  b  "), "a" + blank + "b");
  EXPECT_EQ(made({.extra_whitespaces = true}, "a" + blank + blank), "a");
  EXPECT_EQ(made({.dummy_prefix = true, .extra_whitespaces = true}, "  a"), blank + "a");
  EXPECT_EQ(made({.dummy_prefix = true, .extra_whitespaces = true}, "   "), "");
  EXPECT_EQ(made({.dummy_prefix = true}, " "), blank + blank);
  EXPECT_EQ(made({.dummy_prefix = true}, ""), "");
  EXPECT_EQ(made({.dummy_prefix = true}, "a", number(24, 1)), "a" + blank);
}

TEST(PieceNormalizer, UserDefinedPiecesStayAsTheyAre) {
  const std::string user = piece("a b", 0, user_defined) + piece("ab", -1) + piece("a", -1) + piece(" ", -1);
  EXPECT_EQ(ids_of(bpe, user, "ab"), (Ids{2}));
  EXPECT_EQ(ids_of(bpe, user, "aba b"), (Ids{2, 3, 0}));  // the blank in it is spelled U+2581 all the same
}

}  // namespace
}  // namespace sleb
