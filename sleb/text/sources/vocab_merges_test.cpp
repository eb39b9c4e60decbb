#include "sleb/text/sources/vocab_merges.h"

#include <gtest/gtest.h>

#include <map>

#include "sleb/base/error.h"
#include "sleb/text/sources/folder_tokenizer.h"
#include "tests/untrusted_file.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

using Ids = std::vector<int64_t>;
using Files = std::map<std::string, std::string>;

class VocabMerges : public testing::Test {
 protected:
  void SetUp() override {
    write({{"vocab.json", R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġa": 4, "</s>": 5})"},
           {"merges.txt", "#version: 0.2\na b\nĠ a\n"}});
  }
  void write(const Files& files) {
    for (const auto& [name, content] : files) folder_.write(name, content);
  }
  Ids encode(std::string_view text) { return tokenizer_of_folder(folder_.path()).encode(text); }
  // The error with these files, without the folder's path.
  std::string error_with(const Files& files) {
    write(files);
    try {
      encode("a");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input);
      const std::string message = error.what();
      return message.substr(std::min(message.size(), folder_.path().string().size() + 1));
    }
    return "no error";
  }
  std::string config_error(const std::string& config) { return error_with({{"tokenizer_config.json", config}}); }
  std::string merges_error(const std::string& merges) { return error_with({{"merges.txt", merges}}); }
  std::string vocabulary_error(const std::string& vocabulary) { return error_with({{"vocab.json", vocabulary}}); }

  testing_files::TemporaryFolder folder_;
};

TEST_F(VocabMerges, MergesAsGpt2Does) {
  EXPECT_EQ(encode("ab aab"), (Ids{2, 4, 2}));
  EXPECT_EQ(encode("<|endoftext|>a"), (Ids{6, 0}));  // the class's own token gets the next id
}

TEST_F(VocabMerges, ConfigurationAddsTokens) {
  write({{"tokenizer_config.json",
          R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "bos_token": "</s>", "unk_token": null,
              "add_prefix_space": true, "added_tokens_decoder": {"9": {"content": "b", "lstrip": true}}})"}});
  EXPECT_EQ(encode("a  ba"), (Ids{5, 4, 1, 4}));
}

TEST_F(VocabMerges, MergesWithOtherLineEnds) {
  write({{"merges.txt", "#version: 0.2\r\na b\r\nĠ a\r\n\r\n\n"}});
  EXPECT_EQ(encode("ab a"), (Ids{2, 4}));
  write({{"merges.txt", "a b\nĠ a"}});
  EXPECT_EQ(encode("ab a"), (Ids{2, 4}));
  write({{"merges.txt", ""}});
  EXPECT_EQ(encode("ab a"), (Ids{0, 1, 3, 0}));
}

TEST_F(VocabMerges, MalformedMergesAreRefusedByLine) {
  EXPECT_EQ(merges_error("#version: 0.2\na b\nab\n"),
            "merges.txt: line 3: \"ab\" is not two tokens with a blank between them");
  EXPECT_EQ(merges_error("a b c\n"), "merges.txt: line 1: \"a b c\" is not two tokens with a blank between them");
  EXPECT_EQ(merges_error("a b\n\nĠ a\n"), "merges.txt: line 2 is blank");
  EXPECT_EQ(merges_error("a z\n"),
            "merges.txt: line 1: the merge of \"a\" and \"z\" needs the token \"z\", which vocab.json lacks");
  EXPECT_EQ(merges_error("b a\n"),
            "merges.txt: line 1: the merge of \"b\" and \"a\" needs the token \"ba\", which vocab.json lacks");
  EXPECT_EQ(merges_error("a \n"),
            "merges.txt: line 1: the merge of \"a\" and \"\" needs the token \"\", which vocab.json lacks");
  EXPECT_EQ(merges_error("a \xFF\n"), "merges.txt: not valid UTF-8");
  fs::remove(folder_.path() / "merges.txt");
  EXPECT_NE(error_with({}).find("not merges.txt"), std::string::npos);
}

TEST_F(VocabMerges, MalformedVocabulariesAreRefused) {
  EXPECT_EQ(vocabulary_error("[]"), "vocab.json: expected an object of tokens and ids");
  EXPECT_EQ(vocabulary_error("{}"), "vocab.json: expected an object of tokens and ids");
  EXPECT_NE(vocabulary_error("{\"a\": 0").find("vocab.json: not valid JSON"), std::string::npos);
  EXPECT_NE(vocabulary_error("{\"a\": 0, \"b\": 1, \"a\": 2}").find("\"a\""), std::string::npos);
  EXPECT_EQ(vocabulary_error(R"({"a": 0, "b": 0})"), "vocab.json: \"a\" and \"b\" both have id 0");
  for (const char* id : {"-1", "2147483648", "99999999999999999999", "1.5", "\"1\"", "null"}) {
    EXPECT_EQ(vocabulary_error(fmt::format(R"({{"a": {}}})", id)),
              "vocab.json: the id of \"a\" is not a number from 0 to 2147483647");
  }
  EXPECT_EQ(vocabulary_error(R"({"a": {"b": 1}})"), "vocab.json: the id of \"a\" is not a number");
  EXPECT_EQ(vocabulary_error(R"({"a": [1]})"), "vocab.json: the id of \"a\" is not a number");
  EXPECT_NE(vocabulary_error(std::string(1000, '[')).find("nested deeper"), std::string::npos);
}

TEST_F(VocabMerges, MalformedConfigurationsAreRefused) {
  EXPECT_EQ(config_error("[]"), "tokenizer_config.json: expected an object");
  EXPECT_EQ(
      config_error(R"({"tokenizer_class": "RobertaTokenizerFast"})"),
      "tokenizer_config.json: tokenizer_class \"RobertaTokenizer\" is not supported for vocab.json and merges.txt; "
      "save it as tokenizer.json");
  EXPECT_EQ(config_error(R"({"add_bos_token": 1})"), "tokenizer_config.json: add_bos_token: expected true or false");
  EXPECT_EQ(config_error(R"({"bos_token": 1})"), "tokenizer_config.json: bos_token: expected a string");
  EXPECT_EQ(config_error(R"({"bos_token": {"lstrip": true}})"), "tokenizer_config.json: bos_token: lacks \"content\"");
  EXPECT_EQ(config_error(R"({"added_tokens_decoder": []})"),
            "tokenizer_config.json: added_tokens_decoder: expected an object");
  for (const char* id : {"x", "", "-1", "1 ", "2147483648", "99999999999999999999"}) {
    EXPECT_EQ(config_error(fmt::format(R"({{"added_tokens_decoder": {{"{}": {{"content": "x"}}}}}})", id)),
              fmt::format("tokenizer_config.json: added_tokens_decoder: \"{}\" is not the id of a token", id));
  }
  EXPECT_EQ(config_error(R"({"extra_special_tokens": ["x", 1]})"),
            "tokenizer_config.json: extra_special_tokens[1]: expected a string");
  EXPECT_EQ(config_error(R"({"split_special_tokens": 1})"),
            "tokenizer_config.json: split_special_tokens: expected true or false");
}

TEST_F(VocabMerges, MalformedAddedTokensAreRefused) {
  EXPECT_EQ(error_with({{"added_tokens.json", R"({"x": -1})"}}), "added_tokens.json: x: -1 is less than 0");
  EXPECT_EQ(error_with({{"added_tokens.json", R"({"x": 7, "y": 7})"}}),
            "added_tokens.json: \"x\" and \"y\" have one id");
  EXPECT_EQ(error_with({{"added_tokens.json", "{}"}, {"special_tokens_map.json", R"({"bos_token": []})"}}),
            "special_tokens_map.json: bos_token: expected a string");
}

TEST_F(VocabMerges, AFolderWithoutATokenizerIsRefused) {
  fs::remove(folder_.path() / "vocab.json");
  EXPECT_NE(error_with({}).find("holds no tokenizer"), std::string::npos);
}

}  // namespace
}  // namespace sleb
