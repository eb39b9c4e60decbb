#include "sleb/text/gguf_vocabulary.h"

#include <gtest/gtest.h>

#include <limits>

#include "sleb/base/error.h"
#include "sleb/base/error_message.h"
#include "sleb/base/json.h"
#include "sleb/text/tokenizer.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

GgufVocabulary small(const std::string& pre) {
  GgufVocabulary vocabulary;
  vocabulary.label = "x.gguf";
  vocabulary.model = "gpt2";
  vocabulary.pre = pre;
  vocabulary.tokens = {"a", "b", "ab", "Ġ", "1", "Ġ1", "<s>", "</s>", "<think>", "", "abab"};
  vocabulary.token_types = {1, 1, 1, 1, 1, 1, 3, 3, 4, 5, 1};
  vocabulary.merges = {"a b", "Ġ 1"};
  vocabulary.bos = 6;
  vocabulary.eos = 7;
  return vocabulary;
}

Ids encode(const GgufVocabulary& vocabulary, std::string_view text) {
  return Tokenizer::from_json(tokenizer_files(vocabulary).tokenizer_json, "rebuilt").encode(text);
}

std::string error_of(const auto& change) {
  GgufVocabulary vocabulary = small("gpt-2");
  change(vocabulary);
  return error_message([&] { tokenizer_files(vocabulary); });
}

TEST(GgufVocabulary, PreTokenizerNamesChooseThePattern) {
  const std::string text = "abab 1<think><s>";
  EXPECT_EQ(encode(small("gpt-2"), text), (Ids{2, 2, 5, 8, 6}));
  EXPECT_EQ(encode(small(""), text), (Ids{2, 2, 5, 8, 6}));
  EXPECT_EQ(encode(small("smollm"), text), (Ids{2, 2, 3, 4, 8, 6}));
  EXPECT_EQ(encode(small("llama-bpe"), text), (Ids{6, 10, 3, 4, 8, 6}));  // BOS, and whole pieces unmerged
}

TEST(GgufVocabulary, BosAndEosAsTheFileSays) {
  GgufVocabulary vocabulary = small("gpt-2");
  vocabulary.add_bos = true;
  vocabulary.add_eos = true;
  EXPECT_EQ(encode(vocabulary, "a"), (Ids{6, 0, 7}));
  vocabulary.pre = "llama-bpe";
  vocabulary.add_bos = false;
  EXPECT_EQ(encode(vocabulary, "a"), (Ids{0, 7}));
}

TEST(GgufVocabulary, FilesSayWhatTransformersReads) {
  GgufVocabulary vocabulary = small("qwen2");
  vocabulary.padding = 7;
  vocabulary.chat_template = "{{ messages }}";
  const TokenizerFiles files = tokenizer_files(vocabulary);
  const Json config = parse_json(files.tokenizer_config_json, "config");
  EXPECT_EQ(config["bos_token"], "<s>");
  EXPECT_EQ(config["eos_token"], "</s>");
  EXPECT_EQ(config["pad_token"], "</s>");
  EXPECT_EQ(config["chat_template"], "{{ messages }}");
  EXPECT_FALSE(config.contains("unk_token"));
  const Json tokenizer = parse_json(files.tokenizer_json, "tokenizer");
  EXPECT_EQ(tokenizer["normalizer"]["type"], "NFC");
  EXPECT_EQ(tokenizer["added_tokens"].size(), 3u);
  EXPECT_EQ(tokenizer["added_tokens"][0]["special"], true);
  EXPECT_EQ(tokenizer["added_tokens"][2]["special"], false);
  EXPECT_EQ(tokenizer["model"]["vocab"]["[EMPTY_9]"], 9);
}

// A vocabulary of SentencePiece: pieces with scores.
GgufVocabulary pieces() {
  GgufVocabulary vocabulary;
  vocabulary.label = "x.gguf";
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁a", "ab", "ba", "<user>"};
  vocabulary.token_types = {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 4};
  vocabulary.scores = {0, 0, 0, 0, 0, -9, -8, -7, -3, -2, -1, 0};
  return vocabulary;
}

TEST(GgufVocabulary, PiecesAreMergedByTheScoreOfWhatTheyMake) {
  EXPECT_EQ(encode(pieces(), "ab"), (Ids{1, 5, 9}));
  EXPECT_EQ(encode(pieces(), "aba"), (Ids{1, 8, 10}));
  EXPECT_EQ(encode(pieces(), ""), (Ids{1}));
  EXPECT_EQ(encode(pieces(), "bé"), (Ids{1, 5, 7, 3, 4}));
  EXPECT_EQ(encode(pieces(), "b<user>a</s> b"), (Ids{1, 5, 7, 11, 8, 2, 5, 5, 7}));  // a blank before every text
}

TEST(GgufVocabulary, PiecesAsTheFileSays) {
  GgufVocabulary vocabulary = pieces();
  vocabulary.add_space_prefix = false;
  vocabulary.add_bos = false;
  vocabulary.add_eos = true;
  vocabulary.eos = 0;
  EXPECT_EQ(encode(vocabulary, "b a"), (Ids{7, 8, 0}));
}

std::string pieces_error(const auto& change) {
  return error_of([&](auto& vocabulary) {
    vocabulary = pieces();
    change(vocabulary);
  });
}

TEST(GgufVocabulary, MalformedScoresAreRefused) {
  EXPECT_EQ(pieces_error([](auto& v) { v.scores.clear(); }),
            "x.gguf: tokenizer.ggml.scores has 0 elements for 12 tokens");
  EXPECT_EQ(pieces_error([](auto& v) { v.scores.push_back(1); }),
            "x.gguf: tokenizer.ggml.scores has 13 elements for 12 tokens");
  EXPECT_EQ(pieces_error([](auto& v) { v.scores[3] = std::numeric_limits<double>::quiet_NaN(); }),
            "x.gguf: tokenizer.ggml.scores[3] is not a finite number");
  EXPECT_EQ(pieces_error([](auto& v) { v.tokens[6] = std::string(4097, 'a'); }),
            "x.gguf: tokenizer.ggml.tokens[6] of 4097 bytes is too long");
  EXPECT_EQ(pieces_error([](auto& v) { v.tokens.resize(1), v.token_types.resize(1), v.scores.resize(1); }),
            "x.gguf: tokenizer.ggml.add_bos_token is set without a bos_token_id");
}

TEST(GgufVocabulary, UnigramPieces) {
  GgufVocabulary vocabulary = pieces();
  vocabulary.model = "t5";
  vocabulary.unknown = 0;
  vocabulary.eos = 2;
  vocabulary.remove_extra_whitespaces = true;
  EXPECT_EQ(encode(vocabulary, "  a  b "), (Ids{8, 5, 7, 2}));
  vocabulary.precompiled_charsmap = "damaged";
  EXPECT_THROW(encode(vocabulary, "a"), Error);
}

TEST(GgufVocabulary, UnknownNamesAreRefused) {
  EXPECT_EQ(error_of([](auto& v) { v.model = "bert"; }), "x.gguf: tokenizer.ggml.model \"bert\" is not supported");
  EXPECT_EQ(error_of([](auto& v) { v.pre = "nonsense"; }), "x.gguf: tokenizer.ggml.pre \"nonsense\" is not supported");
}

TEST(GgufVocabulary, MalformedVocabulariesAreRefused) {
  EXPECT_EQ(error_of([](auto& v) { v.tokens.clear(), v.token_types.clear(); }),
            "x.gguf: tokenizer.ggml.tokens is missing or empty");
  EXPECT_EQ(error_of([](auto& v) { v.tokens[4] = "ab"; }), "x.gguf: tokenizer.ggml.tokens[2] and [4] are both \"ab\"");
  EXPECT_EQ(error_of([](auto& v) { v.tokens[4] = "\xFF"; }), "x.gguf: tokenizer.ggml.tokens[4] is not valid UTF-8");
  EXPECT_EQ(error_of([](auto& v) { v.token_types.pop_back(); }),
            "x.gguf: tokenizer.ggml.token_type has 10 elements for 11 tokens");
  EXPECT_EQ(error_of([](auto& v) { v.token_types[1] = 7; }),
            "x.gguf: tokenizer.ggml.token_type[1] is 7, which is no type of token");
  EXPECT_EQ(error_of([](auto& v) { v.bos = 11; }),
            "x.gguf: tokenizer.ggml.bos_token_id is 11, but there are 11 tokens");
  EXPECT_EQ(error_of([](auto& v) { v.unknown = -1; }),
            "x.gguf: tokenizer.ggml.unknown_token_id is -1, but there are 11 tokens");
  EXPECT_EQ(error_of([](auto& v) { v.bos.reset(), v.add_bos = true; }),
            "x.gguf: tokenizer.ggml.add_bos_token is set without a bos_token_id");
  EXPECT_EQ(error_of([](auto& v) { v.chat_template = "\xC3"; }), "x.gguf: tokenizer.chat_template is not valid UTF-8");
}

TEST(GgufVocabulary, MalformedMergesAreRefused) {
  EXPECT_EQ(error_of([](auto& v) { v.merges[1] = "b a"; }),
            "x.gguf: tokenizer.ggml.merges[1]: the merge \"b a\" needs the token \"ba\", which the vocabulary lacks");
  EXPECT_EQ(error_of([](auto& v) { v.merges[0] = "ab"; }),
            "x.gguf: tokenizer.ggml.merges[0]: \"ab\" is not two tokens with a blank between them");
  EXPECT_EQ(error_of([](auto& v) { v.merges[0] = "a \xFF"; }), "x.gguf: tokenizer.ggml.merges[0] is not valid UTF-8");
}

}  // namespace
}  // namespace sleb
