#include "sleb/engine/plans/attention_kernels.h"

namespace sleb {

bool flash_takes(const AttentionShape& shape) {
  return shape.capability >= 80 && shape.element_bytes == 2 && shape.head_dim <= 256;
}

bool flash_takes_window(const AttentionShape& shape) {
  return flash_takes(shape) && shape.head_dim % 8 == 0;
}

bool efficient_takes(const AttentionShape& shape) {
  return static_cast<uint64_t>(shape.head_dim) * shape.element_bytes % 16 == 0;
}

bool must_repeat_heads(const AttentionShape& shape, bool masked) {
  return shape.grouped && efficient_takes(shape) && (masked || !flash_takes(shape));
}

bool keeps_scores(const AttentionShape& shape, bool masked) {
  return !efficient_takes(shape) && (masked || !flash_takes(shape));
}

bool may_use_cudnn(int64_t tokens, bool has_cache, bool masked) {
  constexpr int64_t long_enough = 1024;
  return !has_cache && !masked && tokens >= long_enough;
}

}  // namespace sleb
