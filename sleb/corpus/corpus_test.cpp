#include "sleb/corpus/corpus.h"

#include "sleb/base/error_message.h"
#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

// A byte-level tokenizer of eight ids: 0 is <s>, put before every text (or "after", or "nowhere"), 1 the newline, 2 the
// space, then a to e.
Tokenizer letters(std::string_view bos = "before") {
  constexpr std::string_view text = R"({"Sequence": {"id": "A", "type_id": 0}})";
  constexpr std::string_view token = R"({"SpecialToken": {"id": "<s>", "type_id": 0}})";
  std::string single(text);
  if (bos == "before") single = fmt::format("{}, {}", token, text);
  if (bos == "after") single = fmt::format("{}, {}", text, token);
  return Tokenizer::from_json(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
      "single": [)" + single + R"(],
      "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "vocab": {"<s>": 0, "Ċ": 1, "Ġ": 2, "a": 3, "b": 4, "c": 5, "d": 6, "e": 7}, "merges": []}
  })",
                              "letters");
}

TEST(CutSegments, DropsTheTailAndKeepsTheFingerprintOfAllIds) {
  const Corpus corpus = cut_segments("x", {1, 2, 3, 4, 5, 6, 7}, 3, {});
  EXPECT_EQ(corpus.name, "x");
  EXPECT_EQ(corpus.seqlen, 3);
  EXPECT_EQ(corpus.segments, 2);
  EXPECT_EQ(corpus.total_tokens, 7);
  EXPECT_EQ(corpus.ids, (Ids{1, 2, 3, 4, 5, 6}));
  // hashlib.sha256(numpy.arange(1, 8, dtype="<i8").tobytes()).hexdigest()
  EXPECT_EQ(corpus.ids_sha256, "bca8b15e214f1957bbe2ab312dffa6660d09b86731e2dd43d123d7b1b2172b56");
}

TEST(CutSegments, KeepsTheFirstSegments) {
  const Corpus corpus = cut_segments("x", {1, 2, 3, 4, 5, 6, 7}, 3, 1);
  EXPECT_EQ(corpus.segments, 1);
  EXPECT_EQ(corpus.total_tokens, 7);
  EXPECT_EQ(corpus.ids, (Ids{1, 2, 3}));
  EXPECT_EQ(corpus.ids_sha256, cut_segments("x", {1, 2, 3, 4, 5, 6, 7}, 2, {}).ids_sha256);
  EXPECT_EQ(cut_segments("x", {1, 2}, 2, 1).ids, (Ids{1, 2}));
}

TEST(CutSegments, RefusesWhatGivesNoSegment) {
  EXPECT_EQ(error_message([] { cut_segments("x", Ids(812), 2048, {}); }), "x: 812 tokens, one segment needs 2048");
  EXPECT_EQ(error_message([] { cut_segments("x", {}, 2, {}); }), "x: 0 tokens, one segment needs 2");
  EXPECT_EQ(error_message([] { cut_segments("x", Ids(7), 3, 3); }),
            "x: 7 tokens make 2 segments of 3, 3 were asked for");
  EXPECT_EQ(error_message([] { cut_segments("x", Ids(7), 1, {}); }), "x: a segment needs at least 2 tokens, not 1");
  EXPECT_EQ(error_message([] { cut_segments("x", Ids(7), -3, {}); }), "x: a segment needs at least 2 tokens, not -3");
  EXPECT_EQ(error_message([] { cut_segments("x", Ids(7), 3, 0); }), "x: at least 1 segment is needed, not 0");
}

class CorpusTest : public testing::Test {
 protected:
  // Permuted by numpy's default_rng(0): rows 2, 4, 3, 0, 1.
  const std::string lines_ = "a\n \nb\nc\nd";
  ScratchFolder scratch_;
};

TEST_F(CorpusTest, CalibrationTokenizesTheSampleOnceWithSpecialTokens) {
  CalibrationOptions options;
  options.nsamples = 3;
  options.seqlen = 2;
  const auto path = scratch_.write("a.txt", lines_);
  const Corpus corpus = calibration_corpus(path, letters(), options);
  EXPECT_EQ(corpus.name, path.string());
  EXPECT_EQ(corpus.total_tokens, 10);
  EXPECT_EQ(corpus.ids, (Ids{0, 4, 1, 1, 1, 6, 1, 1, 5, 1}));
  options.segments = 2;
  EXPECT_EQ(calibration_corpus(path, letters(), options).ids, (Ids{0, 4, 1, 1}));
}

TEST_F(CorpusTest, CalibrationNeedsASample) {
  const auto path = scratch_.write("a.txt", lines_);
  const CalibrationOptions none{.seed = 0, .nsamples = 0, .seqlen = 2, .segments = {}};
  EXPECT_TRUE(error_message([&] {
                calibration_corpus(path, letters(), none);
              }).ends_with("at least 1 sample is needed, not 0"));
  EXPECT_TRUE(
      error_message([&] { calibration_corpus(path, letters(), {}); }).ends_with("tokens, one segment needs 2048"));
}

TEST_F(CorpusTest, EvaluationTakesTheRowsInFileOrder) {
  const auto text = scratch_.write("a.txt", "a\n \nb");
  EXPECT_EQ(evaluation_corpus(text, letters(), {.seqlen = 2}).ids, (Ids{0, 3, 1, 1, 1, 1, 1, 4}));
  EXPECT_EQ(evaluation_corpus(text, letters(), {.seqlen = 3, .segments = 1}).ids, (Ids{0, 3, 1}));
  const auto json = scratch_.write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"c\"}\n{\"text\": \"dee\"}\n");
  const Corpus corpus = evaluation_corpus(json, letters(), {.seqlen = 3});
  EXPECT_EQ(corpus.ids, (Ids{0, 3, 4, 2, 5, 2, 6, 7, 7}));
  EXPECT_EQ(corpus.scored(), 2);
}

TEST_F(CorpusTest, BosStandsWhereTheRuleSays) {
  const auto text = scratch_.write("a.txt", "a\n \nb");
  const Bos none{.rule = BosRule::none}, each{.rule = BosRule::each, .id = 9};
  EXPECT_EQ(evaluation_corpus(text, letters(), {.seqlen = 2, .bos = none}).ids, (Ids{3, 1, 1, 1, 1, 1}));
  const Corpus corpus = evaluation_corpus(text, letters(), {.seqlen = 4, .bos = each});
  EXPECT_EQ(corpus.ids, (Ids{9, 3, 1, 1, 9, 1, 1, 1})) << "each segment has one token of text less";
  EXPECT_EQ(corpus.total_tokens, 10) << "with the tail";
  EXPECT_EQ(corpus.ids_sha256, cut_segments("", {9, 3, 1, 1, 9, 1, 1, 1, 9, 4}, 4, {}).ids_sha256);
  EXPECT_EQ(evaluation_corpus(text, letters("nowhere"), {.seqlen = 4, .bos = each}).ids, corpus.ids);
  const CalibrationOptions sample{.nsamples = 3, .seqlen = 3, .bos = each};
  EXPECT_EQ(calibration_corpus(scratch_.write("b.txt", lines_), letters(), sample).ids,
            (Ids{9, 4, 1, 9, 1, 1, 9, 6, 1, 9, 1, 5}));
  const EvaluationOptions llama{.protocol = EvaluationProtocol::llama_cpp, .seqlen = 3, .bos = none};
  EXPECT_EQ(evaluation_corpus(text, letters(), llama).ids, (Ids{3, 1, 2}));
  EXPECT_EQ(cut_segments("x", {1, 2, 3}, 3, {}, none).ids, (Ids{1, 2, 3}));
}

TEST_F(CorpusTest, BosOfEachSegmentIsNotCountedAsTheTexts) {
  const Bos each{.rule = BosRule::each, .id = 9};
  const auto cut = [&](int64_t seqlen, std::optional<int64_t> segments) {
    return cut_segments("x", {1, 2, 3}, seqlen, segments, each);
  };
  EXPECT_EQ(cut(3, {}).ids, (Ids{9, 1, 2}));
  EXPECT_EQ(cut(3, {}).total_tokens, 5) << "those that are hashed, with the tail";
  EXPECT_EQ(cut(4, {}).ids, (Ids{9, 1, 2, 3}));
  EXPECT_EQ(error_message([&] { cut(9, {}); }), "x: 3 tokens, one segment needs 8 beside BOS");
  EXPECT_EQ(error_message([&] { cut(3, 2); }), "x: 3 tokens make 1 segments of 3 with BOS, 2 were asked for");
  EXPECT_EQ(error_message([&] { cut(1, {}); }), "x: a segment needs at least 2 tokens, not 1");
}

TEST_F(CorpusTest, OfC4OnlyTheBeginningIsEvaluated) {
  std::string rows;
  for (int i = 0; i < 1101; ++i) rows += i < 1100 ? "{\"text\": \"a\"}\n" : "{\"text\": \"b\"}\n";
  const auto json = scratch_.write("a.jsonl", rows);
  // <s>, 1,100 letters and 1,099 blanks; 256 segments of 2 are fewer.
  EXPECT_EQ(evaluation_corpus(json, letters(), {.seqlen = 2200}).total_tokens, 2200);
  const Corpus corpus = evaluation_corpus(json, letters(), {.seqlen = 2});
  EXPECT_EQ(corpus.segments, 256);
  EXPECT_EQ(corpus.total_tokens, 512);
  EXPECT_TRUE(error_message([&] {
                evaluation_corpus(json, letters(), {.seqlen = 2, .segments = 257});
              }).ends_with("512 tokens make 256 segments of 2, 257 were asked for"));
  EXPECT_TRUE(error_message([&] { evaluation_corpus(json, letters(), {.seqlen = -1}); }).ends_with("not -1"));
  // Lines of a text are all taken.
  const auto text = scratch_.write("a.txt", std::string(3000, '\n'));
  EXPECT_EQ(evaluation_corpus(text, letters(), {.seqlen = 2}).total_tokens, 1 + 2 * 2999);
}

TEST_F(CorpusTest, TheProtocolOfLlamaCpp) {
  const EvaluationOptions options{.protocol = EvaluationProtocol::llama_cpp, .seqlen = 5};
  const auto text = scratch_.write("a.txt", "ab\n \ncd\n\nabc\n");
  const Corpus corpus = evaluation_corpus(text, letters(), options);
  // No row is emptied, nothing stands between the rows, the last newline is gone; <s> replaces each segment's first.
  EXPECT_EQ(corpus.total_tokens, 13);
  EXPECT_EQ(corpus.ids, (Ids{0, 3, 4, 1, 2, 0, 5, 6, 1, 1}));
  EXPECT_EQ(corpus.first_scored, 3);
  EXPECT_EQ(corpus.scored(), 2);
  // Of all ids before any was replaced, hashlib.sha256(numpy.array([0, 3, 4, 1, 2, 1, ...], "<i8").tobytes()).
  EXPECT_EQ(corpus.ids_sha256, cut_segments("", {0, 3, 4, 1, 2, 1, 5, 6, 1, 1, 3, 4, 5}, 5, {}).ids_sha256);
  const EvaluationOptions even{.protocol = EvaluationProtocol::llama_cpp, .seqlen = 4, .segments = 2};
  EXPECT_EQ(evaluation_corpus(text, letters(), even).first_scored, 3);
  EXPECT_EQ(evaluation_corpus(text, letters(), even).ids, (Ids{0, 3, 4, 1, 0, 1, 5, 6}));
}

TEST_F(CorpusTest, TheProtocolOfLlamaCppRefuses) {
  const EvaluationOptions options{.protocol = EvaluationProtocol::llama_cpp, .seqlen = 3};
  const EvaluationOptions too_short{.protocol = EvaluationProtocol::llama_cpp, .seqlen = 2};
  const auto text = scratch_.write("a.txt", "abc");
  EXPECT_TRUE(
      error_message([&] { evaluation_corpus(text, letters(), too_short); }).ends_with("at least 3 tokens, not 2"));
  const auto packed = scratch_.write("a.json.gz", "abc");
  EXPECT_TRUE(error_message([&] { evaluation_corpus(packed, letters(), options); }).ends_with("unpack it first"));
  EXPECT_TRUE(error_message([&] {
                evaluation_corpus(text, letters("after"), options);
              }).find("puts token 0 after a text") != std::string::npos);
  EXPECT_EQ(evaluation_corpus(text, letters("nowhere"), options).ids, (Ids{3, 4, 5}));
}

TEST(SelfText, BosTakesThePlaceOfEachSegmentsFirstToken) {
  Corpus unwritten = unwritten_corpus("self", {.tokens = 6}, 3, {});
  unwritten.bos = {BosRule::each, 9};
  EXPECT_EQ(written_corpus(unwritten, {1, 2, 3, 4, 5, 6}).ids, (std::vector<int64_t>{9, 2, 3, 9, 5, 6}));
}

}  // namespace
}  // namespace sleb
