// Which of libtorch's attention kernels take what on a GPU, so that none is left to the one that keeps every score
// (libtorch 2.11, aten/src/ATen/native/transformers/cuda/sdp_utils.cpp).
#pragma once

#include <cstdint>

namespace sleb {

struct AttentionShape {
  int64_t head_dim = 0;
  uint64_t element_bytes = 0;
  bool grouped = false;     // several query heads share one of keys and values
  int64_t capability = 90;  // of the card: ten times the compute capability
};

// Flash attention: 16-bit types, no mask, compute capability 8.0; heads may be grouped.
bool flash_takes(const AttentionShape& shape);
// With a sliding window.
bool flash_takes_window(const AttentionShape& shape);
// The memory-efficient kernel: with or without a mask, but no grouped heads.
bool efficient_takes(const AttentionShape& shape);
// Grouped keys and values have to be repeated for each query head for any kernel but the one that keeps the scores.
bool must_repeat_heads(const AttentionShape& shape, bool masked);
// No other kernel takes it: scores of every query and key stand in memory.
bool keeps_scores(const AttentionShape& shape, bool masked);

// Queries whose scores are computed at a time where they have biases or a cap.
inline constexpr int64_t biased_slice_tokens = 128;

// cuDNN's kernel, which libtorch prefers on an H100, is the fastest for long sequences, but makes a plan for each shape
// it has not seen, which takes tens of milliseconds. Worth that are sequences of one length that come again and again,
// with nothing before them: of segments, and long ones. Neither what is generated nor the short questions of tasks.
bool may_use_cudnn(int64_t tokens, bool has_cache, bool masked);

}  // namespace sleb
