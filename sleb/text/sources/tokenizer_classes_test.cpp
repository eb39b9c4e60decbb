#include "sleb/text/sources/tokenizer_classes.h"

#include <gtest/gtest.h>

#include <string>

namespace sleb {
namespace {

struct Case {
  std::string model_type, named;
  bool has_byte_level = false;
  bool has_auto_map = false;
};

// The class's name, "file" where tokenizer.json counts as it stands, "unknown" with a warning.
std::string chosen(const Case& given) {
  TokenizerConfig config;
  config.model_type = given.model_type;
  config.tokenizer_class = given.named;
  config.has_auto_map = given.has_auto_map;
  const ChosenClass choice = choose_tokenizer_class(config, given.has_byte_level);
  if (!choice.is_known) return "unknown";
  return choice.own ? std::string(choice.own->name) : "file";
}

TEST(TokenizerClassesTest, TakesTheClassThatTheFilesName) {
  EXPECT_EQ(chosen({"llama", "GPT2Tokenizer"}), "GPT2Tokenizer");
  EXPECT_EQ(chosen({"phi", "CodeGenTokenizer"}), "CodeGenTokenizer");
  EXPECT_EQ(chosen({"gemma", "LlamaTokenizer"}), "LlamaTokenizer");
  EXPECT_EQ(chosen({"olmo", "PreTrainedTokenizer"}), "file");
  EXPECT_EQ(chosen({"falcon", "SomebodysTokenizer"}), "unknown");
}

TEST(TokenizerClassesTest, TakesTheRegisteredClassWhereNoneIsNamed) {
  EXPECT_EQ(chosen({"qwen3", ""}), "Qwen2Tokenizer");
  EXPECT_EQ(chosen({"gemma3_text", ""}), "GemmaTokenizer");
  EXPECT_EQ(chosen({"granite", ""}), "file");
  EXPECT_EQ(chosen({"smollm3", ""}), "file");
  EXPECT_EQ(chosen({"", ""}), "file");
}

TEST(TokenizerClassesTest, TakesTheFileWhereTheRegisteredClassIsGeneric) {
  EXPECT_EQ(chosen({"phi3", "LlamaTokenizer"}), "file");
  EXPECT_EQ(chosen({"granite", "SomebodysTokenizer"}), "file");
}

TEST(TokenizerClassesTest, KnowsModelsWhoseNamedClassIsWrong) {
  EXPECT_EQ(chosen({"qwen2", "LlamaTokenizer", true}), "Qwen2Tokenizer");
  EXPECT_EQ(chosen({"qwen2", "PreTrainedTokenizer"}), "Qwen2Tokenizer");
  EXPECT_EQ(chosen({"qwen3", "LlamaTokenizer"}), "LlamaTokenizer");
}

TEST(TokenizerClassesTest, DoesNotBelieveThatAByteLevelFileIsLlamas) {
  EXPECT_EQ(chosen({"llama", "LlamaTokenizer", true}), "file");
  EXPECT_EQ(chosen({"llama", "LlamaTokenizer", false}), "LlamaTokenizer");
}

TEST(TokenizerClassesTest, TakesTheNameWhereTheFolderHasCodeOfItsOwn) {
  EXPECT_EQ(chosen({"phi3", "LlamaTokenizer", true, true}), "LlamaTokenizer");
  EXPECT_EQ(chosen({"internlm2", "InternLM2Tokenizer", false, true}), "unknown");
}

}  // namespace
}  // namespace sleb
