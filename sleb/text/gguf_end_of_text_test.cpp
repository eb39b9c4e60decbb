#include "sleb/text/gguf_end_of_text.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

GgufVocabulary vocabulary_of(std::vector<std::string> tokens) {
  GgufVocabulary vocabulary;
  vocabulary.label = "x.gguf";
  vocabulary.tokens = std::move(tokens);
  return vocabulary;
}

TEST(GgufEndOfText, NamedIdsComeFirstAndTextsAreFound) {
  GgufVocabulary vocabulary = vocabulary_of({"a", "<|endoftext|>", "<|im_end|>", "b", "<|eom_id|>", "<|im_start|>"});
  EXPECT_EQ(end_of_text_ids(vocabulary), (Ids{1, 2, 4}));
  vocabulary.eos = 2;
  EXPECT_EQ(end_of_text_ids(vocabulary), (Ids{2, 1, 4}));
  vocabulary.eot = 3;
  vocabulary.eom = 0;
  EXPECT_EQ(end_of_text_ids(vocabulary), (Ids{2, 3, 0, 1, 4}));
}

TEST(GgufEndOfText, AVocabularyThatIsAbsentHasItsNamedIds) {
  GgufVocabulary vocabulary = vocabulary_of({});
  EXPECT_TRUE(end_of_text_ids(vocabulary).empty());
  vocabulary.eos = 7;
  vocabulary.eot = 7;
  EXPECT_EQ(end_of_text_ids(vocabulary), (Ids{7}));
}

// llama.cpp: "<|end|>" only closes a message where calls and returns have marks of their own.
TEST(GgufEndOfText, MarksBesideToolCallsEndNothing) {
  EXPECT_EQ(end_of_text_ids(vocabulary_of({"<|end|>", "<|return|>", "<|call|>"})), (Ids{1, 2}));
  EXPECT_EQ(end_of_text_ids(vocabulary_of({"<|end|>", "<|flush|>", "<|calls|>"})), (Ids{1, 2}));
  EXPECT_EQ(end_of_text_ids(vocabulary_of({"<|end|>", "<|return|>"})), (Ids{0, 1}));
  EXPECT_EQ(end_of_text_ids(vocabulary_of({"</s>", "<|tool_response>"})), (Ids{1}));
}

TEST(GgufEndOfText, IdsOutsideTheVocabularyAreRefused) {
  for (const int64_t id : {int64_t{-1}, int64_t{2}, int64_t{1} << 40}) {
    GgufVocabulary vocabulary = vocabulary_of({"a", "b"});
    vocabulary.eot = id;
    EXPECT_EQ(error_message([&] { end_of_text_ids(vocabulary); }),
              fmt::format("x.gguf: tokenizer.ggml.eot_token_id {} is outside the vocabulary of 2 tokens", id));
  }
}

}  // namespace
}  // namespace sleb
