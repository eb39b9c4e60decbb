#include "sleb/engine/memory/sweep_memory.h"

#include <gtest/gtest.h>

#include "sleb/engine/memory/small_model_for_tests.h"

namespace sleb {
namespace {

constexpr int64_t vocabulary = 128256;  // so large that the head takes more than any unit

uint64_t work(const Compute& compute, const SweepSize& sweep) {
  ModelSpec spec = small_spec();
  spec.vocabulary_size = vocabulary;
  return sweep_memory(spec, compute, plain(0), sweep).work.anonymous;
}

constexpr SweepSize search{
    .segments = 8, .seqlen = 257, .states = 3, .scored_rows = 128, .divergence = true, .chunk_segments = 8};
constexpr SweepSize without_divergence{
    .segments = 8, .seqlen = 257, .states = 3, .scored_rows = 128, .chunk_segments = 8};

TEST(SweepMemory, CountsACpusSlicesOfOneBlock) {
  // 64 rows of 512 values in the norm, and five tensors of logits in float32, or three.
  EXPECT_EQ(work(float32, search), uint64_t{64} * 512 * 4 + uint64_t{64} * vocabulary * 20);
  EXPECT_EQ(work(float32, without_divergence), uint64_t{64} * 512 * 4 + uint64_t{64} * vocabulary * 12);
}

TEST(SweepMemory, CountsSlicesOfTheWholeChunkOnCuda) {
  const Compute cuda{"cuda:0", "bfloat16", 1};
  // 1,024 of the chunk's 8 * 256 rows at a time: gathered, normed, with a number a row for that, then as logits and
  // log-probabilities beside the dense model's probabilities, in float32. Of all rows two numbers of 64 bits and two
  // losses of each state.
  const uint64_t row = 512 * (2 + 2) + 4;
  const uint64_t slice = 1024U * row;
  EXPECT_EQ(work(cuda, search), slice + uint64_t{1024} * vocabulary * 12 + uint64_t{8} * 256 * (16 + 3 * 8));
  EXPECT_EQ(work(cuda, without_divergence), slice + uint64_t{1024} * vocabulary * 8 + uint64_t{8} * 256 * (16 + 3 * 4));
  SweepSize whole_segments = search;
  whole_segments.scored_rows = 256;
  EXPECT_EQ(work(cuda, whole_segments), work(cuda, search));
  // A short chunk is one slice; a prompt's head computes one row.
  SweepSize short_chunk = search;
  short_chunk.chunk_segments = 2;
  EXPECT_EQ(work(cuda, short_chunk), 512 * row + uint64_t{512} * vocabulary * 12 + uint64_t{2} * 256 * (16 + 3 * 8));
  EXPECT_LT(work(cuda, {.segments = 1, .seqlen = 257, .chunk_segments = 1}), uint64_t{16} << 20);
}

// A row's bytes at the attention of a GPU, where nothing takes more: queries, keys and values, the same turned, the
// output, a number a head for the softmax, and queries, keys and values once more.
uint64_t attention_row(uint64_t head_dim, uint64_t element) {
  constexpr uint64_t query_heads = 8, key_heads = 4;
  const uint64_t all = (query_heads + 2 * key_heads) * head_dim * element;
  const uint64_t turned = (query_heads + key_heads) * head_dim * element;
  return all + turned + query_heads * head_dim * element + query_heads * 4 + all;
}

uint64_t attention_work(int64_t head_dim, const std::string& dtype, int64_t capability) {
  ModelSpec spec = small_spec();
  spec.head_dim = head_dim;
  spec.intermediate_size = 64;
  const Compute cuda{.device = "cuda:0", .dtype = dtype, .threads = 1, .more_devices = {}, .capability = capability};
  return sweep_memory(spec, cuda, plain(0), {.segments = 8, .seqlen = 257, .chunk_segments = 8}).work.anonymous;
}

TEST(SweepMemory, CountsRepeatedHeadsAndKeptScoresOnCuda) {
  constexpr uint64_t rows = uint64_t{8} * 257, query_heads = 8;
  EXPECT_EQ(attention_work(64, "bfloat16", 90), rows * attention_row(64, 2));  // flash attention
  // Keys and values for each query head: of float32, and of cards without flash attention.
  EXPECT_EQ(attention_work(64, "float32", 90), rows * (attention_row(64, 4) + 2 * query_heads * 64 * 4));
  EXPECT_EQ(attention_work(64, "bfloat16", 75), rows * (attention_row(64, 2) + 2 * query_heads * 64 * 2));
  // No kernel but the one that keeps all scores, which it has twice in float32.
  EXPECT_EQ(attention_work(66, "float32", 90), rows * (attention_row(66, 4) + query_heads * 257 * 8));
}

// Beside the same sweep without masks, for each query and key of the chunk.
uint64_t bytes_of_masks(const ModelSpec& spec, const Compute& compute) {
  SweepSize sweep = search;
  const uint64_t without = sweep_memory(spec, compute, plain(0), sweep).work.anonymous;
  sweep.masks = true;
  const uint64_t with = sweep_memory(spec, compute, plain(0), sweep).work.anonymous;
  return (with - without) / (uint64_t{8} * 257 * 257);
}

TEST(SweepMemory, CountsMasksOfWindowsAndScoresOfAllHeads) {
  ModelSpec spec = small_spec();
  spec.vocabulary_size = vocabulary;
  spec.sliding_windows.assign(static_cast<size_t>(spec.num_blocks), 0);
  const auto heads = static_cast<uint64_t>(spec.num_heads);
  EXPECT_EQ(bytes_of_masks(spec, float32), 4 + 2);
  spec.sliding_windows[0] = 16;
  EXPECT_EQ(bytes_of_masks(spec, float32), 4 + 2 + 4 + 8 + 1);
  spec.attention_cap = 50;
  EXPECT_EQ(bytes_of_masks(spec, float32), 4 + 2 + 4 + 8 + 1 + heads * 8);
  EXPECT_EQ(bytes_of_masks(spec, bfloat16), 2 + 2 + 2 + 8 + 1 + heads * 12);
}

}  // namespace
}  // namespace sleb
