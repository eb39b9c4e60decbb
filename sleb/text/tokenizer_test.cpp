#include "sleb/text/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "sleb/base/error_message.h"
#include "sleb/base/json.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

Json template_with_bos(int64_t id) {
  return {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", Json::array({id})}, {"tokens", Json::array({"<s>"})}}}}}};
}

// A byte-level tokenizer of a few letters. Ï ¿ ½ are the bytes of U+FFFD, Ã © of é.
Json small() {
  return {{"version", "1.0"},
          {"truncation", {{"max_length", 1}}},
          {"added_tokens",
           {{{"id", 10},
             {"content", "<s>"},
             {"special", true},
             {"single_word", false},
             {"lstrip", false},
             {"rstrip", false},
             {"normalized", false}}}},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}}},
          {"post_processor", template_with_bos(10)},
          {"decoder", {{"type", "Anything"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab",
             {{"a", 0}, {"b", 1}, {"ab", 2}, {"Ġ", 3}, {"Ġab", 4}, {"ï", 5}, {"¿", 6}, {"½", 7}, {"Ã", 8}, {"©", 9}}},
            {"merges", {"a b", "Ġ ab"}}}}};
}

Tokenizer from(const Json& file) {
  return Tokenizer::from_json(file.dump(), "x.json");
}

std::string error_of(const std::string& text) {
  return error_message([&] { Tokenizer::from_json(text, "x.json"); });
}

std::string error_with(const std::string& key, const Json& value) {
  Json file = small();
  file[key] = value;
  return error_of(file.dump());
}

TEST(Tokenizer, TextGoesThroughAllSteps) {
  const Tokenizer tokenizer = from(small());
  EXPECT_EQ(tokenizer.encode("ab ab<s>e\u0301"), (Ids{10, 2, 4, 10, 8, 9}));
  EXPECT_EQ(tokenizer.encode("\u00E9", false), (Ids{8, 9}));
  EXPECT_EQ(tokenizer.encode("", true), (Ids{10}));
  EXPECT_EQ(tokenizer.encode("", false), Ids{});
  EXPECT_EQ(tokenizer.vocabulary_size(), 11);
  EXPECT_EQ(tokenizer.model_type(), "BPE");
}

TEST(Tokenizer, InvalidBytesBecomeReplacementCharacters) {
  EXPECT_EQ(from(small()).encode("a\xE2\x82"
                                 "b\xFF",
                                 false),
            (Ids{0, 5, 6, 7, 1, 5, 6, 7}));
}

TEST(Tokenizer, MissingStepsDoNothing) {
  Json file = {{"model", small()["model"]}, {"pre_tokenizer", nullptr}, {"normalizer", nullptr}};
  EXPECT_EQ(from(file).encode("abab"), (Ids{2, 2}));
}

TEST(Tokenizer, UnknownComponentsAreRefusedByName) {
  EXPECT_EQ(error_with("normalizer", {{"type", "Cyrillic"}}),
            "x.json: normalizer: the normalizer \"Cyrillic\" is not supported");
  EXPECT_EQ(error_with("pre_tokenizer", {{"type", "Sentences"}}),
            "x.json: pre_tokenizer: the pre-tokenizer \"Sentences\" is not supported");
  EXPECT_EQ(error_with("model", {{"type", "Neural"}}), "x.json: model: the model \"Neural\" is not supported");
  EXPECT_EQ(error_with("post_processor", {{"type", "Around"}}),
            "x.json: post_processor: the post-processor \"Around\" is not supported");
  EXPECT_EQ(error_with("version", "2.0"), "x.json: version: the version \"2.0\" is not supported");
}

// LLaMA 2: what is put before the text is put before every section between added tokens; bytes stand for characters
// that the vocabulary lacks.
TEST(Tokenizer, SentencePieceStyle) {
  Json file = small();
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers",
                         {{{"type", "Prepend"}, {"prepend", "▁"}},
                          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}};
  file["pre_tokenizer"] = nullptr;
  file["post_processor"] = nullptr;
  file["model"] = {{"type", "BPE"},
                   {"unk_token", "<unk>"},
                   {"fuse_unk", true},
                   {"byte_fallback", true},
                   {"vocab",
                    {{"<unk>", 0},
                     {"<0xC3>", 1},
                     {"<0xA9>", 2},
                     {"▁", 3},
                     {"a", 4},
                     {"b", 5},
                     {"ab", 6},
                     {"▁ab", 7},
                     {"▁▁", 8},
                     {"b▁", 9}}},
                   {"merges", {"a b", "▁ ab", "▁ ▁"}}};
  const Tokenizer tokenizer = from(file);
  EXPECT_EQ(tokenizer.encode("ab  ab<s>abé"), (Ids{7, 3, 7, 10, 7, 1, 2}));
  EXPECT_EQ(tokenizer.encode("a\u00EA\u00EAb"), (Ids{3, 4, 0, 5}));
}

TEST(Tokenizer, MetaspaceBeforeTheFirstPieceOnly) {
  Json file = small();
  file["post_processor"] = nullptr;
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}};
  file["model"] = {{"type", "BPE"}, {"vocab", {{"▁", 0}, {"a", 1}, {"▁a", 2}}}, {"merges", {"▁ a"}}};
  file["added_tokens"][0]["id"] = 3;
  EXPECT_EQ(from(file).encode("a<s>a a"), (Ids{2, 3, 1, 2}));
  EXPECT_EQ(from(file).encode("<s>a"), (Ids{3, 1}));
  file["pre_tokenizer"]["prepend_scheme"] = "always";
  EXPECT_EQ(from(file).encode("<s>a"), (Ids{3, 2}));
}

TEST(Tokenizer, MalformedFilesAreRefused) {
  EXPECT_TRUE(error_of("{\"model\": ").starts_with("x.json: not valid JSON"));
  EXPECT_EQ(error_of("[]"), "x.json: expected an object");
  EXPECT_EQ(error_of("{}"), "x.json: lacks \"model\"");
  EXPECT_EQ(error_with("model", "BPE"), "x.json: model: expected an object");
  EXPECT_EQ(error_with("added_tokens", {{{"id", 10}}}), "x.json: added_tokens[0]: lacks \"content\"");
  EXPECT_TRUE(error_of(std::string(100000, '[')).starts_with("x.json: nested deeper"));
}

TEST(Tokenizer, ManyThreadsShareOne) {
  const Tokenizer tokenizer = from(small());
  std::string text;
  for (int i = 0; i < 2000; ++i) text += i % 3 ? " ab" : "b<s>";
  const Ids expected = tokenizer.encode(text);
  std::vector<Ids> results(4);
  std::vector<std::thread> threads;
  for (Ids& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) result = tokenizer.encode(text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace sleb
