#include "sleb/eval/tasks/request_tokens.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

// Letters, blanks and "ab" as one token; <s> in front of every text.
Tokenizer tokenizer() {
  const Json vocabulary = {{"a", 0}, {"b", 1}, {"ab", 2}, {" ", 3}, {"c", 4}};
  const Json bos = {{"id", 5},         {"content", "<s>"},    {"single_word", false}, {"lstrip", false},
                    {"rstrip", false}, {"normalized", false}, {"special", true}};
  const Json processor = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {5}}, {"tokens", {"<s>"}}}}}}};
  const Json json = {
      {"added_tokens", {bos}},    {"normalizer", nullptr},
      {"pre_tokenizer", nullptr}, {"post_processor", processor},
      {"decoder", nullptr},       {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b"}}}}};
  return Tokenizer::from_json(json.dump(), "tokenizer.json");
}

using Ids = std::vector<int64_t>;

RequestTokens encode(std::vector<Request> requests, int64_t max_length, bool whole_text = false,
                     std::optional<PrefixToken> prefix = PrefixToken{5, "<s>"}) {
  Question question{.place = "r.jsonl, line 1", .requests = std::move(requests)};
  return encode_requests(tokenizer(), {std::move(prefix), max_length}, question, whole_text);
}

TokenRequest pair(const std::string& prompt, const std::string& continuation, int64_t max_length = 100) {
  return encode({{prompt, continuation}}, max_length).sequences.at(0);
}

TEST(RequestTokens, TheContinuationIsWhatFollowsThePromptsIds) {
  EXPECT_EQ(pair("c", " ab").ids, (Ids{5, 4, 3, 2}));
  EXPECT_EQ(pair("c", " ab").scored, 2);
  // "a" + "b" is one token, so that the continuation has none left but the "c".
  EXPECT_EQ(pair("a", "bc").ids, (Ids{5, 0, 4}));
  EXPECT_EQ(pair("a", "bc").scored, 1);
}

TEST(RequestTokens, BlanksMoveToTheContinuation) {
  const TokenRequest request = pair("c  ", "a");
  EXPECT_EQ(request.ids, (Ids{5, 4, 3, 3, 0}));
  EXPECT_EQ(request.scored, 3);
}

TEST(RequestTokens, ThePrefixTokenIsNotDoubled) {
  EXPECT_EQ(pair("<s>c", "a").ids, (Ids{5, 4, 0}));
  EXPECT_EQ(pair("", "ab").ids, (Ids{5, 2}));
  EXPECT_EQ(pair("", "<s>ab").ids, (Ids{5, 2}));
  EXPECT_EQ(
      error_message([] {
        encode({{"", "a"}}, 9, false, {});
      }),
      "r.jsonl, line 1: has no prompt, and the tokenizer names neither bos_token nor eos_token to stand in for it");
}

TEST(RequestTokens, LongPromptsLoseTheirBeginning) {
  const RequestTokens cut = encode({{"ccca", "c"}, {"cc", "c"}}, 3);
  EXPECT_EQ(cut.sequences[0].ids, (Ids{4, 4, 0, 4}));
  EXPECT_EQ(cut.sequences[1].ids, (Ids{5, 4, 4, 4}));
  EXPECT_EQ(cut.truncated, 1);
  EXPECT_EQ(pair("a", " cc", 3).ids, (Ids{0, 3, 4, 4})) << "the continuation fills the context";
}

TEST(RequestTokens, WhatCantBeScoredIsRefused) {
  EXPECT_EQ(error_message([] { pair("a", "cccc", 3); }),
            "r.jsonl, line 1: the continuation has 4 tokens, the model's context 3");
  EXPECT_EQ(error_message([] { pair("a", "b"); }), "r.jsonl, line 1: the continuation adds no tokens to the prompt");
  EXPECT_EQ(error_message([] { pair("", "<s>"); }), "r.jsonl, line 1: the continuation adds no tokens to the prompt");
}

TEST(RequestTokens, WindowsOfATextScoreEachTokenOnce) {
  // With its own <s>, seven tokens.
  const auto windows = encode({{"", "c c cc"}}, 3, true).sequences;
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(windows[0].ids, (Ids{5, 5, 4, 3}));
  EXPECT_EQ(windows[0].scored, 3);
  EXPECT_EQ(windows[1].ids, (Ids{3, 4, 3, 4}));
  EXPECT_EQ(windows[1].scored, 3);
  EXPECT_EQ(windows[2].ids, (Ids{4, 3, 4, 4})) << "filled up with what was scored already";
  EXPECT_EQ(windows[2].scored, 1);
}

}  // namespace
}  // namespace sleb
