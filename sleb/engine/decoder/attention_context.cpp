#include "sleb/engine/decoder/attention_context.h"

#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cmath>
#include <functional>
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

// Queries [batch, heads, tokens, head_dim], keys and values of as many heads or fewer (grouped).
struct Heads {
  at::Tensor query, key, value;
  std::optional<double> scale;  // of scores; nothing: 1 / sqrt(head_dim)
  double cap = 0;               // scores s become cap * tanh(s / cap); 0: they stay
  at::Tensor sinks = {};        // [heads]: ModelSpec::attention_sinks; undefined: none

  // No fused kernel has what such scores go through.
  bool are_spelled_out() const { return cap != 0 || sinks.defined(); }

  // Some queries, and the keys that they may see.
  Heads slice(int64_t begin, int64_t end, int64_t first_key) const {
    Heads some = *this;
    some.query = query.narrow(2, begin, end - begin);
    some.key = key.narrow(2, first_key, end - first_key);
    some.value = value.narrow(2, first_key, end - first_key);
    return some;
  }
};

// `mask` may be undefined.
at::Tensor fused_attention(const Heads& heads, const std::optional<at::Tensor>& mask, bool is_causal) {
  const auto& [query, key, value, scale, cap, sinks] = heads;
  const AttentionShape shape = shape_of(query, key);
  if (query.is_cpu() || !must_repeat_heads(shape, mask.has_value())) {
    return at::scaled_dot_product_attention(query, key, value, mask, 0.0, is_causal, scale, shape.grouped);
  }
  const int64_t group = query.size(1) / key.size(1);
  return at::scaled_dot_product_attention(query, key.repeat_interleave(group, 1), value.repeat_interleave(group, 1),
                                          mask, 0.0, is_causal, scale);
}

at::Tensor fused_causal_attention(const Heads& heads) {
  return fused_attention(heads, {}, /*is_causal=*/true);
}

at::Tensor masked_attention(const Heads& heads, const at::Tensor& mask) {
  return fused_attention(heads, mask, /*is_causal=*/false);
}

// Scores [batch, heads, tokens, keys] in float32 with one more, each head's sink, behind them.
at::Tensor with_sinks(const at::Tensor& scores, const at::Tensor& sinks) {
  std::vector<int64_t> shape = scores.sizes().vec();
  const int64_t keys = shape.back()++;
  at::Tensor all = at::empty(shape, scores.options().dtype(at::kFloat));
  all.narrow(3, 0, keys).copy_(scores);
  all.select(3, keys).copy_(sinks.view({1, -1, 1}));
  return all;
}

// Computed in the heads' type, the scores' softmax in float32, as transformers does (of scores with sinks it is in the
// heads' type there: modeling_gpt_oss.py, eager_attention_forward). `mask`: added, [1 or batch, 1 or heads, 1 or
// tokens, keys]; may be undefined.
at::Tensor spelled_out_attention(const Heads& heads, const at::Tensor& mask) {
  const auto& [query, key, value, scale, cap, sinks] = heads;
  const int64_t batch = query.size(0), kv_heads = key.size(1), tokens = query.size(2), head_dim = query.size(3);
  const int64_t group = query.size(1) / kv_heads;
  const at::Tensor rows = query.reshape({batch, kv_heads, group * tokens, head_dim});
  const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(head_dim)));
  at::Tensor scores = at::matmul(rows, key.transpose(2, 3));
  cap == 0 ? scores.mul_(factor) : scores.mul_(factor / cap).tanh_().mul_(cap);
  scores = scores.view({batch, kv_heads * group, tokens, key.size(2)});
  if (mask.defined()) scores.add_(mask);
  scores = sinks.defined() ? with_sinks(scores, sinks) : scores.to(at::kFloat);
  at::Tensor shares = at::_softmax(scores, -1, /*half_to_float=*/false).narrow(3, 0, key.size(2));
  shares = shares.to(query.scalar_type()).reshape({batch, kv_heads, group * tokens, key.size(2)});
  return at::matmul(shares, value).view(query.sizes());
}

// Heads side by side in memory, as the fused kernels leave them; `of_slice` gives the output of queries begin to end.
at::Tensor in_slices(const at::Tensor& query, int64_t slice,
                     const std::function<at::Tensor(int64_t begin, int64_t end)>& of_slice) {
  const int64_t tokens = query.size(2);
  at::Tensor output = at::empty({query.size(0), tokens, query.size(1), query.size(3)}, query.options()).transpose(1, 2);
  for (int64_t begin = 0; begin < tokens; begin += slice) {
    const int64_t end = std::min(begin + slice, tokens);
    output.narrow(2, begin, end - begin).copy_(of_slice(begin, end));
  }
  return output;
}

// Which of the keys `first_key` <= j < end the queries begin <= i < end see: those before, at most `window` of them.
at::Tensor visible_keys(const at::Tensor& query, int64_t begin, int64_t end, int64_t first_key, int64_t window) {
  const at::Tensor positions = at::arange(end, query.options().dtype(at::kLong));
  const at::Tensor distance =
      positions.narrow(0, begin, end - begin).unsqueeze(1).sub(positions.narrow(0, first_key, end - first_key));
  return distance.ge(0).logical_and(distance.lt(window));
}

// `slice` queries at a time against the keys that any of them sees, so that work and mask grow with tokens x window.
at::Tensor sliced_attention(const Heads& heads, int64_t window, int64_t slice) {
  return in_slices(heads.query, slice, [&](int64_t begin, int64_t end) {
    const int64_t first_key = std::max<int64_t>(0, begin - window + 1);
    const Heads part = heads.slice(begin, end, first_key);
    if (begin == 0 && end <= window) return fused_causal_attention(part);
    return masked_attention(part, visible_keys(heads.query, begin, end, first_key, window));
  });
}

// The same with biases [1, heads, 1, tokens] or spelled out scores, which no fused kernel has for whole sequences.
at::Tensor biased_attention(const Heads& heads, int64_t window, const at::Tensor& biases) {
  return in_slices(heads.query, biased_slice_tokens, [&](int64_t begin, int64_t end) {
    const int64_t first_key = std::max<int64_t>(0, begin - window + 1);
    const Heads part = heads.slice(begin, end, first_key);
    const at::Tensor hidden = visible_keys(heads.query, begin, end, first_key, window).logical_not_();
    const at::Tensor none = at::zeros({1, 1, 1, 1}, heads.query.options());
    const at::Tensor added = biases.defined() ? biases.narrow(3, first_key, end - first_key) : none;
    const at::Tensor mask = added.masked_fill(hidden, -std::numeric_limits<double>::infinity());
    return part.are_spelled_out() ? spelled_out_attention(part, mask) : masked_attention(part, mask);
  });
}

// Flash attention knows windows, but libtorch's choice of a kernel doesn't: whether that would be flash attention
// without a window is asked first.
bool runs_flash_window(const Heads& heads) {
  const auto& [query, key, value, scale, cap, sinks] = heads;
  const AttentionShape shape = shape_of(query, key);
  if (query.is_cpu() || !flash_takes_window(shape)) return false;
  const WithoutCudnn guard;
  const int64_t choice = at::_fused_sdp_choice(query, key, value, {}, 0.0, /*is_causal=*/true, scale, shape.grouped);
  return choice == static_cast<int64_t>(at::SDPBackend::flash_attention);
}

at::Tensor flash_window(const Heads& heads, int64_t window) {
  const auto tokens_first = [](const at::Tensor& tensor) { return tensor.transpose(1, 2); };
  const int64_t tokens = heads.query.size(2);
  const auto results =
      at::_flash_attention_forward(tokens_first(heads.query), tokens_first(heads.key), tokens_first(heads.value),
                                   /*cum_seq_q=*/{}, /*cum_seq_k=*/{}, tokens, tokens,
                                   /*dropout_p=*/0.0, /*is_causal=*/false, /*return_debug_mask=*/false, heads.scale,
                                   /*window_size_left=*/window - 1, /*window_size_right=*/0);
  return tokens_first(std::get<0>(results));
}

at::Tensor windowed_attention(const Heads& heads, int64_t window) {
  if (runs_flash_window(heads)) return flash_window(heads, window);
  return sliced_attention(heads, window, std::clamp<int64_t>(window, 64, 1024));
}

at::Tensor causal_attention(const Heads& heads) {
  // libtorch's kernel for the CPU takes 512 keys at a time, seen or not: of so few, half of its work is for nothing.
  const int64_t tokens = heads.query.size(2);
  if (heads.query.is_cpu() && tokens > 256 && tokens <= 512) {
    return sliced_attention(heads, tokens, (tokens + 1) / 2);
  }
  return fused_causal_attention(heads);
}

// One token a sequence: the query heads that share a key head become rows of one small product, which reads the keys
// once. `mask` may be undefined.
at::Tensor last_token_attention(const Heads& heads, const at::Tensor& mask) {
  const auto& [query, key, value, scale, cap, sinks] = heads;
  const int64_t batch = query.size(0);
  const int64_t kv_heads = key.size(1);
  const at::Tensor rows = query.reshape({batch, kv_heads, query.size(1) / kv_heads, query.size(3)});
  std::optional<at::Tensor> row_mask;
  if (mask.defined() && mask.size(1) > 1) {
    row_mask =
        mask.expand({batch, query.size(1), 1, mask.size(3)}).reshape({batch, kv_heads, rows.size(2), mask.size(3)});
  } else if (mask.defined()) {
    row_mask = mask.expand({batch, 1, rows.size(2), mask.size(3)});
  }
  return at::scaled_dot_product_attention(rows, key, value, row_mask, 0.0, /*is_causal=*/false, scale)
      .reshape(query.sizes());
}

// A head's slope (the paper's section 3; for other numbers than powers of two as BLOOM does).
double alibi_slope(int64_t head, int64_t num_heads) {
  const double whole = std::exp2(std::floor(std::log2(static_cast<double>(num_heads))));
  const auto base = [](double heads) { return std::exp2(-std::exp2(-(std::log2(heads) - 3))); };
  const auto number = static_cast<double>(head);
  return number < whole ? std::pow(base(whole), number + 1) : std::pow(base(2 * whole), 2 * (number - whole) + 1);
}

// key_positions int64 [1 or batch, keys] -> [1 or batch, heads, 1, keys].
at::Tensor alibi_biases(const ModelSpec& spec, const Compute& compute, const at::Tensor& key_positions) {
  at::Tensor slopes = at::empty({spec.num_heads}, at::kFloat);
  for (int64_t head = 0; head < spec.num_heads; ++head) {
    slopes.mutable_data_ptr<float>()[head] = static_cast<float>(alibi_slope(head, spec.num_heads));
  }
  if (spec.alibi.bfloat16) slopes = slopes.to(at::kBFloat16);
  at::Tensor biases = slopes.to(device_of(compute)).view({1, -1, 1, 1}).mul(key_positions.unsqueeze(1).unsqueeze(1));
  biases = biases.to(tensor_options(compute));
  if (spec.alibi.scaled) biases.div_(std::sqrt(static_cast<double>(spec.head_dim)));
  return biases;
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
    : positions_(first_positions(compute, tokens)),
      ropes_(spec, compute, positions_, tokens),
      cap_(spec.attention_cap),
      cache_(cache) {
  if (spec.attention_scale != 0) scale_ = spec.attention_scale;
  if (spec.position == PositionKind::alibi) biases_ = alibi_biases(spec, compute, positions_.unsqueeze(0));
}

AttentionContext::AttentionContext(const ModelSpec& spec, const Compute& compute, const Layout& layout, KvCache* cache)
    : positions_(layout.positions),
      ropes_(layout.ropes ? *layout.ropes : RopeTables(spec, compute, positions_, layout.longest)),
      cap_(spec.attention_cap),
      cache_(cache) {
  if (spec.attention_scale != 0) scale_ = spec.attention_scale;
  if (spec.position == PositionKind::alibi) {
    const bool all_seen = !layout.visible.defined();
    const at::Tensor keys = all_seen ? first_positions(compute, layout.longest).unsqueeze(0) : layout.key_positions;
    biases_ = alibi_biases(spec, compute, keys.clamp_min(0));
  }
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
    : positions_(other.positions_.to(device)),
      ropes_(other.ropes_.on(device)),
      scale_(other.scale_),
      cap_(other.cap_),
      cache_(other.cache_) {
  if (other.biases_.defined()) biases_ = other.biases_.to(device);
  for (const auto& [window, mask] : other.masks_) masks_.emplace(window, mask.to(device));
}

const AttentionContext& AttentionContext::on(at::Device device) const {
  if (device == positions_.device()) return *this;
  std::unique_ptr<AttentionContext>& there = elsewhere_[device.index()];
  if (!there) there.reset(new AttentionContext(*this, device));
  return *there;
}

at::Tensor AttentionContext::mask(int64_t window, int64_t num_keys) const {
  at::Tensor biases;
  if (biases_.defined()) biases = biases_.narrow(3, biases_.size(3) - num_keys, num_keys);
  if (masks_.empty()) return biases;
  const auto found = masks_.find(window);
  const at::Tensor& mask = found == masks_.end() ? masks_.at(0) : found->second;
  return biases.defined() ? mask.add(biases) : mask;
}

at::Tensor AttentionContext::attend(int64_t block, const at::Tensor& query, const at::Tensor& key,
                                    const at::Tensor& value, int64_t window, const at::Tensor& sinks) const {
  KeysAndValues all{key, value};
  if (cache_ != nullptr) all = cache_->append(block, key, value);
  if (query.size(2) == 1) return attend_last(query, std::move(all), window, sinks);
  const c10::DeviceGuard guard(query.device());  // libtorch chooses its kernel for the current device's card
  std::optional<WithoutCudnn> without_cudnn;
  if (!query.is_cpu() && !may_use_cudnn(query.size(2), cache_ != nullptr, !masks_.empty())) without_cudnn.emplace();
  const int64_t num_keys = all.keys.size(2);
  if (!masks_.empty()) {
    const Heads heads{query, all.keys, all.values, scale_, cap_, sinks};
    const at::Tensor added = mask(window, num_keys);
    return heads.are_spelled_out() ? spelled_out_attention(heads, added) : masked_attention(heads, added);
  }
  const bool windowed = window > 0 && window < num_keys;
  const Heads own{query, key, value, scale_, cap_, sinks};
  if (own.are_spelled_out() || biases_.defined()) return biased_attention(own, windowed ? window : num_keys, biases_);
  if (windowed) return windowed_attention(own, window);
  return causal_attention(own);
}

at::Tensor AttentionContext::attend_last(const at::Tensor& query, KeysAndValues all, int64_t window,
                                         const at::Tensor& sinks) const {
  const c10::DeviceGuard guard(query.device());
  std::optional<WithoutCudnn> without_cudnn;  // it makes a new plan for every length
  if (!query.is_cpu()) without_cudnn.emplace();
  if (window > 0 && window < all.keys.size(2) && masks_.empty()) all = all.last(window);
  const Heads heads{query, all.keys, all.values, scale_, cap_, sinks};
  const at::Tensor added = mask(window, all.keys.size(2));
  return heads.are_spelled_out() ? spelled_out_attention(heads, added) : last_token_attention(heads, added);
}

std::optional<KeysAndValues> AttentionContext::place_of_token(int64_t block) const {
  if (cache_ == nullptr) return {};
  return cache_->next(block);
}

at::Tensor AttentionContext::attend_kept(int64_t block, const at::Tensor& query, int64_t window,
                                         const at::Tensor& sinks) const {
  return attend_last(query, cache_->with_next(block), window, sinks);
}

}  // namespace sleb
