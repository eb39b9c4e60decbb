#include "sleb/text/model/bpe.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

// a b c d ab bc abc; "a b" comes before "b c".
Json small() {
  return {{"type", "BPE"},
          {"vocab", {{"a", 0}, {"b", 1}, {"c", 2}, {"d", 3}, {"ab", 4}, {"bc", 5}, {"abc", 6}, {"abcd", 7}}},
          {"merges", {"a b", "b c", "ab c"}}};
}

Ids encode(const Json& model, const std::string& piece) {
  Ids ids;
  make_token_model(JsonView(model, "x.json: model"))->encode(Pieces{piece}, ids);
  return ids;
}

std::string error_of(const Json& model) {
  return error_message([&] { encode(model, "z"); });
}

Json with(const std::string& key, const Json& value) {
  Json model = small();
  model[key] = value;
  return model;
}

TEST(Bpe, MergesByRankThenFromTheLeft) {
  EXPECT_EQ(encode(small(), "abc"), (Ids{6}));
  EXPECT_EQ(encode(small(), "bcd"), (Ids{5, 3}));
  EXPECT_EQ(encode(small(), "abbcabcd"), (Ids{4, 5, 6, 3}));
  Json twice = {{"type", "BPE"}, {"vocab", {{"a", 0}, {"aa", 1}}}, {"merges", {"a a"}}};
  EXPECT_EQ(encode(twice, "aaaaa"), (Ids{1, 1, 0}));
  EXPECT_EQ(encode(small(), ""), Ids{});
}

TEST(Bpe, MergesInEitherSpelling) {
  EXPECT_EQ(encode(with("merges", Json::parse(R"([["a", "b"], ["ab", "c"]])")), "abc"), (Ids{6}));
  EXPECT_EQ(encode(with("merges", {"#version: 0.2", "b c"}), "abc"), (Ids{0, 5}));
  Json untyped = small();
  untyped.erase("type");
  EXPECT_EQ(encode(untyped, "abc"), (Ids{6}));
}

TEST(Bpe, IgnoreMergesTakesWholePieces) {
  EXPECT_EQ(encode(small(), "abcd"), (Ids{6, 3}));
  EXPECT_EQ(encode(with("ignore_merges", true), "abcd"), (Ids{7}));
}

TEST(Bpe, CharactersOutsideTheVocabulary) {
  EXPECT_EQ(encode(small(), "azb"), (Ids{4}));  // dropped, as the library does
  EXPECT_EQ(encode(with("unk_token", "d"), "azzb"), (Ids{0, 3, 3, 1}));
  Json fused = with("unk_token", "d");
  fused["fuse_unk"] = true;
  EXPECT_EQ(encode(fused, "azzb"), (Ids{0, 3, 1}));
  Json bytes = with("byte_fallback", true);
  bytes["vocab"].update({{"<0xC3>", 8}, {"<0xA9>", 9}});
  EXPECT_EQ(encode(bytes, "a\u00E9b"), (Ids{0, 8, 9, 1}));
  EXPECT_EQ(encode(bytes, "a\u00EAb"), (Ids{4}));  // <0xAA> is missing
  EXPECT_EQ(error_of(with("unk_token", "?")), "x.json: model: the vocabulary lacks unk_token \"?\"");
}

TEST(Bpe, MalformedVocabulariesAreRefused) {
  for (const Json& id : {Json(-1), Json(1.5), Json("1"), Json(int64_t{1} << 31), Json(nullptr)}) {
    EXPECT_EQ(error_of(with("vocab", {{"a", id}})),
              "x.json: model.vocab: the id of \"a\" is not a number from 0 to 2147483647");
  }
  EXPECT_EQ(error_of(with("vocab", Json::object())), "x.json: model.vocab: the vocabulary is empty");
  EXPECT_EQ(error_of(with("vocab", Json::array({"a"}))), "x.json: model.vocab: expected an object");
  EXPECT_EQ(error_of(with("vocab", {{"a", 3}, {"b", 1}, {"c", 3}})), "x.json: model.vocab: two tokens have the id 3");
  Json lacking = small();
  lacking.erase("vocab");
  EXPECT_EQ(error_of(lacking), "x.json: model: lacks \"vocab\"");
}

// Every merge leaves one token fewer, whatever it makes; ids that would let a merge make its own parts are refused.
TEST(Bpe, CyclicMergesComeToAnEnd) {
  const Json same_id = {{"type", "BPE"}, {"vocab", {{"a", 0}, {"aa", 0}}}, {"merges", {"a a"}}};
  EXPECT_EQ(error_of(same_id), "x.json: model.vocab: two tokens have the id 0");
  const Json nothing = {{"type", "BPE"}, {"vocab", {{"", 0}, {"a", 1}}}, {"merges", Json::parse(R"([["", "a"]])")}};
  EXPECT_EQ(encode(nothing, "aa"), (Ids{1, 1}));
}

TEST(Bpe, MalformedMergesAreRefused) {
  EXPECT_EQ(error_of(with("merges", {"a b", "a x"})),
            "x.json: model.merges[1]: the merge of \"a\" and \"x\" needs the token \"x\", which the vocabulary lacks");
  EXPECT_EQ(error_of(with("merges", {"b a"})),
            "x.json: model.merges[0]: the merge of \"b\" and \"a\" needs the token \"ba\", which the vocabulary lacks");
  for (const char* merge : {"ab", "a b c", "a  b", ""}) {
    EXPECT_EQ(error_of(with("merges", Json::array({merge}))), "x.json: model.merges[0]: the merge \"" +
                                                                  std::string(merge) +
                                                                  "\" is not two tokens with a blank between them");
  }
  EXPECT_EQ(error_of(with("merges", Json::array({Json::array({"a"})}))),
            "x.json: model.merges[0]: a merge has two tokens");
  EXPECT_EQ(error_of(with("merges", Json::array({7}))), "x.json: model.merges[0]: expected a string");
  EXPECT_EQ(error_of(with("merges", "a b")), "x.json: model.merges: expected an array");
}

TEST(Bpe, UnsupportedOptionsAndModelsAreRefusedByName) {
  EXPECT_EQ(error_of(with("dropout", 0.1)),
            "x.json: model.dropout: BPE dropout makes ids random; it is for training and not supported");
  EXPECT_EQ(error_of(with("type", "Neural")), "x.json: model: the model \"Neural\" is not supported");
  EXPECT_EQ(error_of({{"vocab", Json::object()}}), "x.json: model: the model \"without a type\" is not supported");
  Json off = with("dropout", nullptr);
  off["end_of_word_suffix"] = "";
  EXPECT_EQ(encode(off, "abc"), (Ids{6}));
}

TEST(Bpe, AffixesSayWhereInThePieceACharacterIs) {
  const Json model = {{"type", "BPE"},
                      {"continuing_subword_prefix", "##"},
                      {"end_of_word_suffix", "</w>"},
                      {"vocab", {{"a", 0}, {"##b", 1}, {"##b</w>", 2}, {"a</w>", 3}, {"ab", 4}, {"abb</w>", 5}}},
                      {"merges", {"a ##b", "ab ##b</w>"}}};
  EXPECT_EQ(encode(model, "a"), (Ids{3}));
  EXPECT_EQ(encode(model, "ab"), (Ids{0, 2}));
  EXPECT_EQ(encode(model, "abb"), (Ids{5}));
  EXPECT_EQ(encode(model, "ba"), Ids{});
  Json short_part = model;
  short_part["merges"] = {"##b a"};
  EXPECT_EQ(error_of(short_part),
            "x.json: model.merges[0]: \"a\" is shorter than the continuing_subword_prefix \"##\"");
}

// A long piece is cut where no merge joins; one that is not known to the vocabulary anyhow must not be noticed.
TEST(Bpe, LongPiecesAreCutWithoutEffect) {
  Json model = small();
  model["unk_token"] = "d";
  model["fuse_unk"] = true;
  const std::string words[] = {"abc", "cab", "bca", "azzb", "dd", "zd", "ccbba", "abcd"};
  std::string text;
  Ids expected;
  for (size_t i = 0; i < 200; ++i) {
    // "da", "db" and "dc" are joined by no merge, so these words keep to themselves.
    const std::string word = "d" + words[i * 7 % 8] + "d";
    text += word;
    for (const int64_t id : encode(model, word)) expected.push_back(id);
  }
  EXPECT_EQ(encode(model, text), expected);
}

TEST(Bpe, WholeTextsAreNotQuadratic) {
  // Every pair of letters can be joined, so that nothing is cut.
  const Json model = {{"type", "BPE"},
                      {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"ba", 3}, {"aa", 4}, {"bb", 5}, {"abba", 6}}},
                      {"merges", {"a b", "b a", "a a", "b b", "ab ba"}}};
  std::string text;
  for (int i = 0; i < 250000; ++i) text += "abba";
  EXPECT_EQ(encode(model, text).size(), 250000u);
}

TEST(Bpe, LongPiecesAreNotQuadratic) {
  const Json model = {{"type", "BPE"},
                      {"vocab", {{"a", 0}, {"aa", 1}, {"aaaa", 2}, {"aaaaaaaa", 3}}},
                      {"merges", {"a a", "aa aa", "aaaa aaaa"}}};
  EXPECT_EQ(encode(model, std::string(1000000, 'a')).size(), 125000u);
}

}  // namespace
}  // namespace sleb
