#include "sleb/corpus/mixture.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

// Each id is the text's number times 100 and the segment's.
Corpus text(int64_t number, int64_t segments, int64_t seqlen = 3) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < segments * seqlen; ++i) ids.push_back(100 * number + i / seqlen);
  return cut_segments("text " + std::to_string(number), std::move(ids), seqlen, {});
}

std::vector<int64_t> first_ids(const Corpus& corpus) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < corpus.segments; ++i) ids.push_back(corpus.ids[static_cast<size_t>(i * corpus.seqlen)]);
  return ids;
}

TEST(MixedCorpus, OneTextStaysWhatItIs) {
  const Corpus mixture = mixed_corpus({text(1, 4)});
  EXPECT_EQ(mixture.ids, text(1, 4).ids);
  EXPECT_EQ(mixture.name, "text 1");
  EXPECT_TRUE(mixture.parts.empty());
}

TEST(MixedCorpus, SegmentsAreSpreadEvenly) {
  EXPECT_EQ(first_ids(mixed_corpus({text(1, 2), text(2, 2)})), (std::vector<int64_t>{100, 200, 101, 201}));
  EXPECT_EQ(first_ids(mixed_corpus({text(1, 1), text(2, 4)})), (std::vector<int64_t>{200, 201, 100, 202, 203}));
  const Corpus mixture = mixed_corpus({text(1, 3), text(2, 1), text(3, 2)});
  EXPECT_EQ(first_ids(mixture), (std::vector<int64_t>{100, 300, 101, 200, 301, 102}));
  EXPECT_EQ(mixture.name, "text 1,text 2,text 3");
  EXPECT_EQ(mixture.total_tokens, 18);
  EXPECT_EQ(mixture.parts.size(), 3U);
}

TEST(MixedCorpus, TextsThatTheModelWrites) {
  Corpus own = text(2, 2);
  own.self_text = SelfTextOptions{.tokens = 6};
  EXPECT_EQ(self_texts_of(own), std::vector<const Corpus*>{&own});
  const Corpus mixture = mixed_corpus({text(1, 2), own});
  EXPECT_EQ(self_texts_of(mixture), std::vector<const Corpus*>{&mixture.parts[1]});
  EXPECT_TRUE(self_texts_of(text(1, 2)).empty());
}

}  // namespace
}  // namespace sleb
