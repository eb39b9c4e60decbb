#include "sleb/engine/decoder/kv_cache.h"

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {

KeysAndValues KeysAndValues::last(int64_t count) const {
  const int64_t begin = keys.size(2) - count;
  return {keys.narrow(2, begin, count), values.narrow(2, begin, count)};
}

KvCache::KvCache(const Decoder& decoder, int64_t batch, int64_t capacity) : batch_(batch), capacity_(capacity) {
  const ModelSpec& spec = decoder.spec();
  const std::vector<int64_t> shape = {batch, spec.num_kv_heads, capacity, spec.head_dim};
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    const at::TensorOptions options = tensor_options(decoder.compute()).device(decoder.device(block));
    blocks_.push_back({at::empty(shape, options), at::empty(shape, options)});
  }
  used_ = blocks_;
}

void KvCache::clear(int64_t batch) {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    used_[i] = {blocks_[i].keys.narrow(0, 0, batch), blocks_[i].values.narrow(0, 0, batch)};
  }
  tokens_ = 0;
}

KeysAndValues KvCache::append(int64_t block, const at::Tensor& keys, const at::Tensor& values) {
  const KeysAndValues& room = used_[static_cast<size_t>(block)];
  const int64_t count = keys.size(2);
  const auto write = [&](const at::Tensor& used, const at::Tensor& added) {
    used.narrow(2, tokens_, count).copy_(added);
    return used.narrow(2, 0, tokens_ + count);
  };
  return {write(room.keys, keys), write(room.values, values)};
}

KeysAndValues KvCache::next(int64_t block) const {
  const KeysAndValues& room = used_[static_cast<size_t>(block)];
  return {room.keys.select(2, tokens_), room.values.select(2, tokens_)};
}

KeysAndValues KvCache::with_next(int64_t block) const {
  const KeysAndValues& room = used_[static_cast<size_t>(block)];
  return {room.keys.narrow(2, 0, tokens_ + 1), room.values.narrow(2, 0, tokens_ + 1)};
}

}  // namespace sleb
