#include "sleb/corpus/corpus.h"

#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

// A byte-level tokenizer of eight ids: 0 is <s>, put before every text, 1 the newline, 2 the space, then a to e.
Tokenizer letters() {
  return Tokenizer::from_json(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
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
  EXPECT_EQ(error_of([] { cut_segments("x", Ids(812), 2048, {}); }), "x: 812 tokens, one segment needs 2048");
  EXPECT_EQ(error_of([] { cut_segments("x", {}, 2, {}); }), "x: 0 tokens, one segment needs 2");
  EXPECT_EQ(error_of([] { cut_segments("x", Ids(7), 3, 3); }), "x: 7 tokens make 2 segments of 3, 3 were asked for");
  EXPECT_EQ(error_of([] { cut_segments("x", Ids(7), 1, {}); }), "x: a segment needs at least 2 tokens, not 1");
  EXPECT_EQ(error_of([] { cut_segments("x", Ids(7), -3, {}); }), "x: a segment needs at least 2 tokens, not -3");
  EXPECT_EQ(error_of([] { cut_segments("x", Ids(7), 3, 0); }), "x: at least 1 segment is needed, not 0");
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
  EXPECT_TRUE(
      error_of([&] { calibration_corpus(path, letters(), none); }).ends_with("at least 1 sample is needed, not 0"));
  EXPECT_TRUE(error_of([&] { calibration_corpus(path, letters(), {}); }).ends_with("tokens, one segment needs 2048"));
}

TEST_F(CorpusTest, EvaluationTakesTheRowsInFileOrder) {
  const auto text = scratch_.write("a.txt", "a\n \nb");
  EXPECT_EQ(evaluation_corpus(text, letters(), 2, {}).ids, (Ids{0, 3, 1, 1, 1, 1, 1, 4}));
  EXPECT_EQ(evaluation_corpus(text, letters(), 3, 1).ids, (Ids{0, 3, 1}));
  const auto json = scratch_.write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"c\"}\n{\"text\": \"dee\"}\n");
  EXPECT_EQ(evaluation_corpus(json, letters(), 3, {}).ids, (Ids{0, 3, 4, 2, 5, 2, 6, 7, 7}));
  EXPECT_EQ(evaluation_corpus(json, letters(), 5, {}, 2).ids, (Ids{0, 3, 4, 2, 5}));
  EXPECT_EQ(evaluation_corpus(json, letters(), 9, {}, 99).total_tokens, 9);
  EXPECT_TRUE(
      error_of([&] { evaluation_corpus(json, letters(), 2, {}, 0); }).ends_with("at least 1 row is needed, not 0"));
}

}  // namespace
}  // namespace sleb
