#include "sleb/engine/decoder/attention_context.h"

#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/graphics_card.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plans/attention_kernels.h"

namespace sleb {
namespace {

at::Tensor first_positions(const Compute& compute, int64_t tokens) {
  return at::arange(tokens, at::TensorOptions().dtype(at::kLong).device(device_of(compute)));
}

// While it lives, libtorch does not choose cuDNN's attention.
class WithoutCudnn {
 public:
  WithoutCudnn() : before_(at::globalContext().userEnabledCuDNNSDP()) { at::globalContext().setSDPUseCuDNN(false); }
  ~WithoutCudnn() { at::globalContext().setSDPUseCuDNN(before_); }
  WithoutCudnn(const WithoutCudnn&) = delete;
  WithoutCudnn& operator=(const WithoutCudnn&) = delete;

 private:
  bool before_;
};

AttentionShape shape_of(const at::Tensor& query, const at::Tensor& key) {
  AttentionShape shape{query.size(3), static_cast<uint64_t>(query.element_size()), query.size(1) != key.size(1)};
  if (query.is_cuda()) shape.capability = capability_of_card(query.device().index());
  return shape;
}

// `mask` may be undefined; heads may be grouped.
at::Tensor fused_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const std::optional<at::Tensor>& mask, bool is_causal) {
  const AttentionShape shape = shape_of(query, key);
  if (query.is_cpu() || !must_repeat_heads(shape, mask.has_value())) {
    return at::scaled_dot_product_attention(query, key, value, mask, 0.0, is_causal, {}, shape.grouped);
  }
  const int64_t group = query.size(1) / key.size(1);
  return at::scaled_dot_product_attention(query, key.repeat_interleave(group, 1), value.repeat_interleave(group, 1),
                                          mask, 0.0, is_causal);
}

at::Tensor fused_causal_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  return fused_attention(query, key, value, {}, /*is_causal=*/true);
}

at::Tensor masked_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& mask) {
  return fused_attention(query, key, value, mask, /*is_causal=*/false);
}

// `slice` queries at a time against the keys that any of them sees, so that work and mask grow with tokens x window.
at::Tensor sliced_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window,
                            int64_t slice) {
  const int64_t tokens = query.size(2);
  const at::Tensor positions = at::arange(tokens, query.options().dtype(at::kLong));
  const auto slice_of = [&](int64_t begin, int64_t end) {
    const int64_t first_key = std::max<int64_t>(0, begin - window + 1);
    const at::Tensor queries = query.narrow(2, begin, end - begin);
    const at::Tensor keys = key.narrow(2, first_key, end - first_key);
    const at::Tensor values = value.narrow(2, first_key, end - first_key);
    if (begin == 0 && end <= window) return fused_causal_attention(queries, keys, values);
    const at::Tensor distance =
        positions.narrow(0, begin, end - begin).unsqueeze(1).sub(positions.narrow(0, first_key, end - first_key));
    return masked_attention(queries, keys, values, distance.ge(0).logical_and(distance.lt(window)));
  };
  // Heads side by side in memory, as the fused kernels leave them.
  at::Tensor output = at::empty({query.size(0), tokens, query.size(1), query.size(3)}, query.options()).transpose(1, 2);
  for (int64_t begin = 0; begin < tokens; begin += slice) {
    const int64_t end = std::min(begin + slice, tokens);
    output.narrow(2, begin, end - begin).copy_(slice_of(begin, end));
  }
  return output;
}

// Flash attention knows windows, but libtorch's choice of a kernel doesn't: whether that would be flash attention
// without a window is asked first.
bool runs_flash_window(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  const AttentionShape shape = shape_of(query, key);
  if (query.is_cpu() || !flash_takes_window(shape)) return false;
  const WithoutCudnn guard;
  const int64_t choice = at::_fused_sdp_choice(query, key, value, {}, 0.0, /*is_causal=*/true, {}, shape.grouped);
  return choice == static_cast<int64_t>(at::SDPBackend::flash_attention);
}

at::Tensor flash_window(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window) {
  const auto tokens_first = [](const at::Tensor& heads) { return heads.transpose(1, 2); };
  const int64_t tokens = query.size(2);
  const auto results = at::_flash_attention_forward(
      tokens_first(query), tokens_first(key), tokens_first(value), /*cum_seq_q=*/{}, /*cum_seq_k=*/{}, tokens, tokens,
      /*dropout_p=*/0.0, /*is_causal=*/false, /*return_debug_mask=*/false, /*scale=*/std::optional<double>(),
      /*window_size_left=*/window - 1, /*window_size_right=*/0);
  return tokens_first(std::get<0>(results));
}

at::Tensor windowed_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window) {
  if (runs_flash_window(query, key, value)) return flash_window(query, key, value, window);
  return sliced_attention(query, key, value, window, std::clamp<int64_t>(window, 64, 1024));
}

at::Tensor causal_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  // libtorch's kernel for the CPU takes 512 keys at a time, seen or not: of so few, half of its work is for nothing.
  const int64_t tokens = query.size(2);
  if (query.is_cpu() && tokens > 256 && tokens <= 512) {
    return sliced_attention(query, key, value, tokens, (tokens + 1) / 2);
  }
  return fused_causal_attention(query, key, value);
}

// One token a sequence: the query heads that share a key head become rows of one small product, which reads the keys
// once. `mask` may be undefined.
at::Tensor last_token_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                const at::Tensor& mask) {
  const int64_t batch = query.size(0);
  const int64_t kv_heads = key.size(1);
  const at::Tensor rows = query.reshape({batch, kv_heads, query.size(1) / kv_heads, query.size(3)});
  std::optional<at::Tensor> row_mask;
  if (mask.defined()) row_mask = mask.expand({batch, 1, rows.size(2), mask.size(3)});
  return at::scaled_dot_product_attention(rows, key, value, row_mask, 0.0, /*is_causal=*/false).reshape(query.sizes());
}

// Rows begin at multiples of 16 elements on a GPU: its kernel would have to copy others in every block.
at::Tensor additive_mask(const at::Tensor& visible, const Compute& compute) {
  const int64_t keys = visible.size(2);
  const int64_t room = visible.is_cpu() ? keys : (keys + 15) / 16 * 16;
  return at::zeros({visible.size(0), visible.size(1), room}, tensor_options(compute))
      .narrow(2, 0, keys)
      .masked_fill_(visible.logical_not(), -std::numeric_limits<double>::infinity())
      .unsqueeze(1);
}

}  // namespace

AttentionContext::AttentionContext(const ModelSpec& spec, const Compute& compute, int64_t tokens, KvCache* cache)
    : positions_(first_positions(compute, tokens)), rope_(spec, compute, positions_, tokens), cache_(cache) {}

AttentionContext::AttentionContext(const ModelSpec& spec, const Compute& compute, const Layout& layout, KvCache* cache)
    : positions_(layout.positions),
      rope_(layout.rope ? *layout.rope : RopeTable(spec, compute, positions_, layout.longest)),
      cache_(cache) {
  if (!layout.visible.defined()) return;
  masks_.emplace(0, additive_mask(layout.visible, compute));
  at::Tensor distance;  // [batch, tokens, keys]
  for (const int64_t window : spec.sliding_windows) {
    if (window >= layout.longest || masks_.contains(window)) continue;
    if (!distance.defined()) distance = layout.positions.unsqueeze(2).sub(layout.key_positions.unsqueeze(1));
    masks_.emplace(window, additive_mask(layout.visible.logical_and(distance.lt(window)), compute));
  }
}

AttentionContext::AttentionContext(const AttentionContext& other, at::Device device)
    : positions_(other.positions_.to(device)), rope_(other.rope_.on(device)), cache_(other.cache_) {
  for (const auto& [window, mask] : other.masks_) masks_.emplace(window, mask.to(device));
}

const AttentionContext& AttentionContext::on(at::Device device) const {
  if (device == positions_.device()) return *this;
  std::unique_ptr<AttentionContext>& there = elsewhere_[device.index()];
  if (!there) there.reset(new AttentionContext(*this, device));
  return *there;
}

at::Tensor AttentionContext::mask(int64_t window) const {
  if (masks_.empty()) return {};
  const auto found = masks_.find(window);
  return found == masks_.end() ? masks_.at(0) : found->second;
}

at::Tensor AttentionContext::attend(int64_t block, const at::Tensor& query, const at::Tensor& key,
                                    const at::Tensor& value, int64_t window) const {
  const c10::DeviceGuard guard(query.device());  // libtorch chooses its kernel for the current device's card
  KeysAndValues all{key, value};
  if (cache_ != nullptr) all = cache_->append(block, key, value);
  std::optional<WithoutCudnn> without_cudnn;
  if (!query.is_cpu() && !may_use_cudnn(query.size(2), cache_ != nullptr, !masks_.empty())) without_cudnn.emplace();
  const int64_t num_keys = all.keys.size(2);
  const bool windowed = window > 0 && window < num_keys;
  if (query.size(2) == 1) {
    if (windowed && masks_.empty()) all = all.last(window);
    return last_token_attention(query, all.keys, all.values, mask(window));
  }
  if (!masks_.empty()) return masked_attention(query, all.keys, all.values, mask(window));
  if (windowed) return windowed_attention(query, key, value, window);
  return causal_attention(query, key, value);
}

}  // namespace sleb
