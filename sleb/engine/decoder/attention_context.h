// What attention has to know of a forward pass beside the hidden states: where the tokens stand, which of them see
// which, and the keys and values of the tokens that came before.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>

#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/decoder/kv_cache.h"
#include "sleb/engine/decoder/rope.h"

namespace sleb {

class AttentionContext {
 public:
  // Sequences of one length, each from position 0 on; a token sees itself and those before it. With a cache, which must
  // be empty, their keys and values are kept in it.
  AttentionContext(const ModelSpec& spec, const Compute& compute, int64_t tokens, KvCache* cache = nullptr);

  // Anything else. Without a cache the keys are the tokens' own; with one they are what is in the cache after them.
  struct Layout {
    at::Tensor positions;                  // int64 [batch, tokens]
    int64_t longest = 0;                   // largest position + 1, on which rotary frequencies may depend
    at::Tensor visible = {};               // bool [batch, tokens, keys]; undefined for one token that sees all keys
    at::Tensor key_positions = {};         // int64 [batch, keys]; wanted with `visible`, for windows and biases
    std::optional<RopeTables> ropes = {};  // of the positions; computed where they are not given
  };
  AttentionContext(const ModelSpec& spec, const Compute& compute, const Layout& layout, KvCache* cache = nullptr);

  // The same on another device, made when first asked for.
  const AttentionContext& on(at::Device device) const;

  const at::Tensor& positions() const { return positions_; }  // int64 [tokens] or [batch, tokens]
  int64_t tokens() const { return positions_.size(-1); }
  const RopeTable& rope(int64_t kind) const { return ropes_.of(kind); }  // a kind of ModelSpec::block_ropes

  // Heads after rotation, [batch, heads, tokens, head_dim] each; heads of key and value may be fewer (grouped). The
  // same shape as `query`, mixed. `window`: a token sees that many latest positions, itself included; 0: all. `sinks`:
  // the block's, [heads], where the model has some.
  at::Tensor attend(int64_t block, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    int64_t window, const at::Tensor& sinks = {}) const;
  // The same of one token a sequence whose key and value were written where place_of_token says, [batch, kv_heads,
  // head_dim] each; nothing without a cache.
  std::optional<KeysAndValues> place_of_token(int64_t block) const;
  at::Tensor attend_kept(int64_t block, const at::Tensor& query, int64_t window, const at::Tensor& sinks = {}) const;

 private:
  AttentionContext(const AttentionContext& other, at::Device device);

  // Of as many keys, with ALiBi's biases; undefined where every query sees every key and there are no biases.
  at::Tensor mask(int64_t window, int64_t num_keys) const;
  // Of one token a sequence, whose own key and value are among all.
  at::Tensor attend_last(const at::Tensor& query, KeysAndValues all, int64_t window, const at::Tensor& sinks) const;

  at::Tensor positions_;
  RopeTables ropes_;
  std::optional<double> scale_;          // of scores, where it is not 1 / sqrt(head_dim)
  double cap_;                           // of scores; 0: none
  at::Tensor biases_;                    // ALiBi's: [1 or batch, heads, 1, keys]; undefined in other models
  std::map<int64_t, at::Tensor> masks_;  // by window: 0 or -inf, [batch, 1, tokens, keys]
  KvCache* cache_;
  mutable std::map<at::DeviceIndex, std::unique_ptr<AttentionContext>> elsewhere_;  // by device
};

}  // namespace sleb
