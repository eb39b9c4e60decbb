// WordLevel and WordPiece.
#include <gtest/gtest.h>

#include "sleb/base/error_message.h"
#include "sleb/text/model/token_model.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

Json word_piece() {
  return {{"type", "WordPiece"},
          {"unk_token", "[UNK]"},
          {"continuing_subword_prefix", "##"},
          {"max_input_chars_per_word", 8},
          {"vocab", {{"[UNK]", 0}, {"a", 1}, {"ab", 2}, {"##c", 3}, {"##cd", 4}, {"##é", 5}, {"##", 6}, {"c", 7}}}};
}

Json word_level() {
  return {{"type", "WordLevel"}, {"unk_token", "?"}, {"vocab", {{"?", 0}, {"the", 1}, {"cat", 2}}}};
}

Ids encode(const Json& model, const std::string& piece) {
  Ids ids;
  make_token_model(JsonView(model, "x.json: model"))->encode(Pieces{piece}, ids);
  return ids;
}

std::string error_of(Json model, const std::string& key, const Json& value, const std::string& piece = "zz") {
  model[key] = value;
  return error_message([&] { encode(model, piece); });
}

TEST(WordPiece, LongestTokenFirst) {
  EXPECT_EQ(encode(word_piece(), "abcd"), (Ids{2, 4}));
  EXPECT_EQ(encode(word_piece(), "acéc"), (Ids{1, 3, 5, 3}));
  EXPECT_EQ(encode(word_piece(), "c"), Ids{7});
}

TEST(WordPiece, WordsThatCannotBeSpelledAreUnknownAsAWhole) {
  EXPECT_EQ(encode(word_piece(), "abz"), Ids{0});
  EXPECT_EQ(encode(word_piece(), "aa"), Ids{0});  // ##a is missing
  EXPECT_EQ(encode(word_piece(), "acccéccc"), (Ids{1, 3, 3, 3, 5, 3, 3, 3}));
  EXPECT_EQ(encode(word_piece(), "accccécccc"), Ids{0});  // of ten characters
}

TEST(WordPiece, MalformedModelsAreRefused) {
  EXPECT_EQ(error_of(word_piece(), "unk_token", "none"), "x.json: model: the vocabulary lacks unk_token \"none\"");
  EXPECT_EQ(error_of(word_piece(), "max_input_chars_per_word", -1),
            "x.json: model.max_input_chars_per_word: -1 is less than 0");
  EXPECT_EQ(error_of(word_piece(), "vocab", {{"a", -1}}),
            "x.json: model.vocab: the id of \"a\" is not a number from 0 to 2147483647");
  EXPECT_EQ(error_of(word_piece(), "vocab", {{std::string(2000, 'a'), 1}}),
            "x.json: model.vocab: a token of 2000 bytes is too long");
}

TEST(WordPiece, LongWordsAreNotQuadratic) {
  Json model = word_piece();
  model["max_input_chars_per_word"] = int64_t{1} << 40;
  EXPECT_EQ(encode(model, "a" + std::string(1000000, 'c')).size(), 1000001u);
}

TEST(WordLevel, OneTokenForEveryPiece) {
  EXPECT_EQ(encode(word_level(), "cat"), Ids{2});
  EXPECT_EQ(encode(word_level(), "cats"), Ids{0});
  EXPECT_EQ(error_of(word_level(), "unk_token", "none"), "x.json: model: the vocabulary lacks unk_token \"none\"");
  EXPECT_EQ(error_of(word_level(), "vocab", Json::object()), "x.json: model.vocab: the vocabulary is empty");
}

}  // namespace
}  // namespace sleb
