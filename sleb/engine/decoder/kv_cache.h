// Keys and values of the tokens that a generation has seen.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace sleb {

class Decoder;

struct KeysAndValues {
  at::Tensor keys;  // [batch, kv_heads, tokens, head_dim]
  at::Tensor values;

  // Of the latest `count` tokens.
  KeysAndValues last(int64_t count) const;
};

class KvCache {
 public:
  // Room for `capacity` tokens of each of `batch` sequences in every block, allocated here and never again, on the
  // block's device.
  KvCache(const Decoder& decoder, int64_t batch, int64_t capacity);

  int64_t batch() const { return batch_; }  // that there is room for
  int64_t capacity() const { return capacity_; }
  int64_t tokens() const { return tokens_; }

  // Writes a block's keys and values of new tokens behind those of the tokens so far; all of them.
  KeysAndValues append(int64_t block, const at::Tensor& keys, const at::Tensor& values);
  // Of one more token a sequence: where its keys and values belong, [batch, kv_heads, head_dim] each; and once they are
  // there, all of them.
  KeysAndValues next(int64_t block) const;
  KeysAndValues with_next(int64_t block) const;
  // Every block has appended that many tokens.
  void advance(int64_t tokens) { tokens_ += tokens; }
  // For `batch` other sequences, no more than there is room for.
  void clear(int64_t batch);

 private:
  std::vector<KeysAndValues> blocks_;  // with room for `capacity` tokens
  std::vector<KeysAndValues> used_;    // of the sequences in use
  int64_t batch_, capacity_;
  int64_t tokens_ = 0;
};

}  // namespace sleb
