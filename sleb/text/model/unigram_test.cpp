#include "sleb/text/model/unigram.h"

#include <gtest/gtest.h>

#include <limits>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

// The example in tokenizers' documentation of Unigram::encode, and a token that is worse than its letters.
Json small() {
  return Json::parse(R"({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", 0], ["b", 0], ["c", 0], ["d", 0],
                         ["cd", 1], ["ab", 2], ["abc", 5], ["abcd", 10], ["dd", -1]]})");
}

Json with(const std::string& key, const Json& value) {
  Json model = small();
  model[key] = value;
  return model;
}

Ids encode(const Json& model, const std::string& piece) {
  Ids ids;
  make_token_model(JsonView(model, "x.json: model"))->encode(Pieces{piece}, ids);
  return ids;
}

std::string error_of(const Json& model, const std::string& piece = "z") {
  return error_message([&] { encode(model, piece); });
}

TEST(Unigram, TakesTheMostProbableSpelling) {
  EXPECT_EQ(encode(small(), "abcdacd"), (Ids{8, 1, 5}));
  EXPECT_EQ(encode(small(), "dd"), (Ids{4, 4}));
  EXPECT_EQ(encode(small(), ""), Ids{});
}

TEST(Unigram, UnknownCharactersInARowAreOneToken) {
  EXPECT_EQ(encode(small(), "abxya"), (Ids{6, 0, 1}));
  EXPECT_EQ(encode(small(), "\u00E9\u6F22<unk>b"), (Ids{0, 2}));  // the unknown token's own text counts as such
  EXPECT_EQ(encode(small(), "<unk>"), Ids{0});
}

TEST(Unigram, BytesForUnknownCharacters) {
  Json model = with("byte_fallback", true);
  for (const char* byte : {"<0xC3>", "<0xA9>"}) model["vocab"].push_back({byte, 0});
  EXPECT_EQ(encode(model, "a\u00E9\u00E9b"), (Ids{1, 10, 11, 10, 11, 2}));
  EXPECT_EQ(encode(model, "a\u00E9\u00EA"), (Ids{1, 0}));  // <0xAA> is missing
}

TEST(Unigram, OfTokensGivenTwiceTheLastCounts) {
  Json model = small();
  model["vocab"].push_back({"dd", 3});
  EXPECT_EQ(encode(model, "dd"), Ids{10});
  EXPECT_EQ(make_token_model(JsonView(model, "m"))->token_count(), 11);
}

// Four spellings score alike but for rounding, and the library's own reading of the numbers decides; with these numbers
// read exactly it would be 2, 2, 2, 1. Ids from tokenizers 0.23.3.
TEST(Unigram, ScoresAreReadAsTheLibraryReadsThem) {
  const Json model = Json::parse(R"({"type": "Unigram", "unk_id": 0, "vocab":
      [["<unk>", 0], ["a", -1.1098654996442376], ["aa", -1.8117601157885834]]})");
  EXPECT_EQ(encode(model, "aaaaaaa"), (Ids{1, 2, 2, 2}));
}

TEST(Unigram, MalformedModelsAreRefused) {
  EXPECT_EQ(error_of(with("unk_id", 10)), "x.json: model.unk_id: 10 is more than 9");
  EXPECT_EQ(error_of(with("unk_id", -1)), "x.json: model.unk_id: -1 is less than 0");
  EXPECT_EQ(error_of(with("unk_id", nullptr)),
            "x.json: model: the text has a character that no token spells, and there is no unk_id");
  EXPECT_EQ(error_of(with("unk_id", nullptr), "abc"), "no error");
  EXPECT_EQ(error_of(with("vocab", Json::array())), "x.json: model.vocab: the vocabulary is empty");
  EXPECT_EQ(error_of(with("vocab", {{"a", 0}})), "x.json: model.vocab: expected an array");
  EXPECT_EQ(error_of(with("vocab", Json::parse(R"([["a"]])"))),
            "x.json: model.vocab[0]: expected a token and its score");
  EXPECT_EQ(error_of(with("vocab", Json::parse(R"([["a", "b"]])"))), "x.json: model.vocab[0][1]: expected a number");
  EXPECT_EQ(error_of(with("vocab", Json::parse(R"([[1, 2]])"))), "x.json: model.vocab[0][0]: expected a string");
  for (const double score : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    Json model = small();
    model["vocab"][1][1] = score;
    EXPECT_TRUE(error_of(model).starts_with("x.json: model.vocab[1][1]: ")) << error_of(model);
  }
  Json long_token = small();
  long_token["vocab"].push_back({std::string(2000, 'a'), 0});
  EXPECT_EQ(error_of(long_token), "x.json: model.vocab: a token of 2000 bytes is too long");
}

TEST(Unigram, HugeScoresDoNoHarm) {
  Json model = small();
  for (size_t i = 1; i < 5; ++i) model["vocab"][i][1] = i % 2 ? 1e308 : -1e308;
  EXPECT_EQ(encode(model, "aaaabbbbzz").back(), 0);
}

TEST(Unigram, WholeTextsAreNotQuadratic) {
  Json model = small();
  for (const size_t length : {2, 3, 5, 8, 13, 64, 256}) model["vocab"].push_back({std::string(length, 'a'), 1});
  EXPECT_EQ(encode(model, std::string(1000000, 'a')).size(), 500000u);
  EXPECT_EQ(encode(model, std::string(1000000, 'z')), Ids{0});
}

}  // namespace
}  // namespace sleb
