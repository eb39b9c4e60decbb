#include "sleb/text/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "sleb/base/error.h"
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
  try {
    Tokenizer::from_json(text, "x.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    return error.what();
  }
  return "no error";
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
  EXPECT_EQ(error_with("normalizer", {{"type", "BertNormalizer"}}),
            "x.json: normalizer: the normalizer \"BertNormalizer\" is not supported");
  EXPECT_EQ(error_with("pre_tokenizer", {{"type", "Metaspace"}}),
            "x.json: pre_tokenizer: the pre-tokenizer \"Metaspace\" is not supported");
  EXPECT_EQ(error_with("model", {{"type", "WordLevel"}}), "x.json: model: the model \"WordLevel\" is not supported");
  EXPECT_EQ(error_with("post_processor", {{"type", "RobertaProcessing"}}),
            "x.json: post_processor: the post-processor \"RobertaProcessing\" is not supported");
  EXPECT_EQ(error_with("version", "2.0"), "x.json: version: the version \"2.0\" is not supported");
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
