#include "sleb/engine/sequences/generator.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/base/stopwatch.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/sequences/forward.h"
#include "sleb/engine/sequences/token_choice.h"
#include "sleb/engine/sweep/plan_runner.h"

namespace sleb {
namespace {

using Clock = std::chrono::steady_clock;

// Prompts side by side, ending together: padding stands in front.
class PaddedPrompts {
 public:
  PaddedPrompts(std::span<const std::vector<int64_t>> prompts, const ModelSpec& spec, const Compute& compute,
                int64_t capacity)
      : batch_(static_cast<int64_t>(prompts.size())) {
    for (const auto& prompt : prompts) tokens_ = std::max(tokens_, static_cast<int64_t>(prompt.size()));
    at::Tensor padding = at::empty({batch_, 1}, at::kLong);
    ids_.assign(static_cast<size_t>(batch_ * tokens_), 0);
    for (int64_t i = 0; i < batch_; ++i) {
      const auto& prompt = prompts[static_cast<size_t>(i)];
      padding.mutable_data_ptr<int64_t>()[i] = tokens_ - static_cast<int64_t>(prompt.size());
      any_padding_ = any_padding_ || static_cast<int64_t>(prompt.size()) < tokens_;
      std::ranges::copy_backward(prompt, ids_.begin() + (i + 1) * tokens_);
    }
    const at::Device device = device_of(compute);
    padding_ = padding.to(device);
    columns_ = at::arange(capacity, at::TensorOptions().dtype(at::kLong).device(device)).unsqueeze(0);
    key_positions_ = columns_.sub(padding_);
    is_token_ = key_positions_.ge(0);
    if (!device.is_cpu() && !rope_depends_on_length(spec)) ropes_ = RopeTables(spec, compute, columns_[0], capacity);
  }

  int64_t tokens() const { return tokens_; }
  const std::vector<int64_t>& ids() const { return ids_; }
  // With more tokens behind them, int64 [batch] each: int64 [batch * columns], where these are.
  at::Tensor ids_with(const std::vector<at::Tensor>& more) const {
    const at::Tensor prompts = at::from_blob(const_cast<int64_t*>(ids_.data()), {batch_, tokens_}, at::kLong);
    return at::cat({prompts.to(more[0].device()), at::stack(more, 1)}, 1).flatten();
  }

  // Of the first `count` columns: the prompts, and what has come behind them.
  AttentionContext context(const Decoder& decoder, KvCache& cache, int64_t count) const {
    if (!any_padding_) return {decoder.spec(), decoder.compute(), count, &cache};
    const at::Tensor columns = columns_.narrow(1, 0, count);
    const at::Tensor causal = columns.unsqueeze(2).ge(columns.unsqueeze(1));
    const at::Tensor itself = columns.unsqueeze(2).eq(columns.unsqueeze(1));  // so that padding has something to see
    const at::Tensor visible = causal.logical_and(is_token_.narrow(1, 0, count).unsqueeze(1)).logical_or_(itself);
    const at::Tensor positions = key_positions_.narrow(1, 0, count);
    return {decoder.spec(), decoder.compute(), {positions.clamp_min(0), count, visible, positions}, &cache};
  }

  // Of one more token a sequence, in column `column`.
  AttentionContext token_context(const Decoder& decoder, KvCache& cache, int64_t column) const {
    AttentionContext::Layout layout{.positions = key_positions_.narrow(1, column, 1), .longest = column + 1};
    if (any_padding_) {
      layout.visible = is_token_.narrow(1, 0, column + 1).unsqueeze(1);
      layout.key_positions = key_positions_.narrow(1, 0, column + 1);
    }
    if (ropes_) layout.ropes = any_padding_ ? ropes_->rows(layout.positions) : ropes_->row(column);
    return {decoder.spec(), decoder.compute(), layout, &cache};
  }

 private:
  int64_t batch_;
  int64_t tokens_ = 0;
  bool any_padding_ = false;
  std::vector<int64_t> ids_;  // [batch * tokens]
  at::Tensor padding_;        // [batch, 1]
  at::Tensor columns_;        // [1, capacity]
  at::Tensor key_positions_;  // [batch, capacity]; negative: padding
  at::Tensor is_token_;       // bool [batch, capacity]
  // Of positions 0 to capacity, on a GPU: to make a token's anew takes a copy that waits and several kernels.
  std::optional<RopeTables> ropes_;
};

// Of as many tokens the frequencies of rope are others than of one more: all keys have to be computed anew, as
// transformers does (modeling_phi3.py, prepare_inputs_for_generation). 0: of none.
int64_t tokens_before_other_rope(const ModelSpec& spec) {
  for (const RopeSpec& rope : spec.ropes) {
    if (rope.scaling == RopeSpec::Scaling::longrope) return rope.original_max_positions;
  }
  return 0;
}

// int64 numbers on their way to the host, which does not wait for what is launched after them.
class HostCopy {
 public:
  explicit HostCopy(const at::Tensor& numbers) : numbers_(numbers) {
    if (numbers.is_cpu()) return;
    numbers_ = at::empty(numbers.sizes(), at::TensorOptions().dtype(at::kLong).pinned_memory(true));
    numbers_.copy_(numbers, /*non_blocking=*/true);
    arrived_.emplace(numbers.device().type());
    arrived_->record(c10::impl::VirtualGuardImpl(numbers.device().type()).getStream(numbers.device()));
  }

  // The memory of numbers still on their way can't be freed; if their device has failed, not at all.
  ~HostCopy() {
    try {
      values();
    } catch (const c10::Error&) {
      numbers_.unsafeReleaseTensorImpl();
    }
  }
  HostCopy(const HostCopy&) = delete;
  HostCopy& operator=(const HostCopy&) = delete;

  // Waits for them.
  const int64_t* values() const {
    if (arrived_) arrived_->synchronize();
    return numbers_.const_data_ptr<int64_t>();
  }

 private:
  at::Tensor numbers_;
  std::optional<c10::Event> arrived_;
};

at::Tensor replaced(const at::Tensor& ids, const std::function<int64_t(int64_t, int64_t)>& replace) {
  at::Tensor on_host = ids.cpu();
  for (int64_t i = 0; i < on_host.numel(); ++i) {
    int64_t& id = on_host.mutable_data_ptr<int64_t>()[i];
    id = replace(i, id);
  }
  return on_host.to(ids.device());
}

std::function<double(int64_t)> shares_of(uint64_t seed) {
  return [random = std::mt19937_64(seed)](int64_t) mutable {
    return std::uniform_real_distribution<double>(0, 1)(random);
  };
}

}  // namespace

struct Generator::State {
  const Model* model;
  KvCache cache;

  // The logits after the last token of each sequence, float32 [batch, vocabulary].
  // ids [batch * tokens], on the host or, as a tensor, on the first device.
  template <typename Ids>
  at::Tensor run(const Schedule& schedule, const Ids& ids, const AttentionContext& context) {
    const at::Tensor hidden =
        run_schedule(model->decoder(), schedule, ids, context, [](const ScheduleStep&) { check_interrupt(); })[0];
    cache.advance(context.tokens());
    return model->decoder().logits(hidden.select(1, context.tokens() - 1)).to(at::kFloat);
  }

  void check(std::span<const std::vector<int64_t>> prompts, const GenerateOptions& options) const {
    if (prompts.empty()) bad_input("no prompt to go on from");
    if (static_cast<int64_t>(prompts.size()) > cache.batch()) {
      bad_input("{} prompts, and room for {}", prompts.size(), cache.batch());
    }
    for (const auto& prompt : prompts) {
      if (prompt.empty()) bad_input("the prompt has no tokens; give at least one");
      check_ids(model->spec(), prompt, "prompt");
      const auto tokens = static_cast<int64_t>(prompt.size());
      if (options.max_new_tokens < 1 || options.max_new_tokens > cache.capacity() - tokens) {
        bad_input("a prompt of {} tokens and {} new ones, and room for {}", tokens, options.max_new_tokens,
                  cache.capacity());
      }
    }
  }
};

Generator::Generator(const Model& model, int64_t batch, int64_t prompt_tokens, int64_t new_tokens) try {
  const c10::InferenceMode guard;
  if (batch < 1 || prompt_tokens < 0 || new_tokens < 1) {
    bad_input("room for {} prompts of {} tokens and {} new ones: give at least 1 prompt and new token", batch,
              prompt_tokens, new_tokens);
  }
  const int64_t tokens = prompt_tokens + new_tokens;
  check_sequence_length(model.spec(), tokens, "prompt and new tokens");
  check_memory(model, batch, prompt_tokens, kv_cache_bytes(model.spec(), model.compute(), Plan(), batch, tokens));
  state_ = std::make_unique<State>(State{&model, KvCache(model.decoder(), batch, tokens)});
} catch (const c10::Error& error) {
  device_failed("the cache of keys and values", model.compute().device, error);
}

Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;

Generation Generator::generate(const Plan& plan, std::span<const std::vector<int64_t>> prompts,
                               const GenerateOptions& options, const TokenListener& listener) try {
  const c10::InferenceMode guard;
  state_->check(prompts, options);
  const auto start = Clock::now();
  const Decoder& decoder = state_->model->decoder();
  const Schedule schedule = make_schedule(std::span(&plan, 1), decoder.spec().num_blocks);
  KvCache& cache = state_->cache;
  cache.clear(static_cast<int64_t>(prompts.size()));
  const PaddedPrompts padded(prompts, decoder.spec(), decoder.compute(), cache.capacity());
  const TokenChoice choose(options.temperature, options.share ? options.share : shares_of(options.seed));
  Generation result;
  result.ids.resize(prompts.size());
  std::vector<bool> ended(prompts.size(), false);
  // Not where the host has a say in the tokens, or waits for blocks to be read.
  const bool may_run_ahead = !options.replace && decoder.compute().device != "cpu" &&
                             state_->model->resident_blocks() == decoder.spec().num_blocks;
  bool goes_on = true;
  at::Tensor logits = state_->run(schedule, padded.ids(), padded.context(decoder, cache, padded.tokens()));
  const int64_t last_of_rope = tokens_before_other_rope(decoder.spec());
  std::vector<at::Tensor> chosen;  // [batch] each, where they may be needed again
  for (int64_t step = 0; goes_on; ++step) {
    at::Tensor next = choose(logits);
    if (options.replace) next = replaced(next, options.replace);
    const HostCopy on_host(next);
    if (last_of_rope > 0) chosen.push_back(next);
    const auto run_next = [&] {
      const int64_t column = padded.tokens() + step;
      if (column != last_of_rope) {
        logits = state_->run(schedule, next, padded.token_context(decoder, cache, column));
        return;
      }
      cache.clear(static_cast<int64_t>(prompts.size()));
      logits = state_->run(schedule, padded.ids_with(chosen), padded.context(decoder, cache, column + 1));
    };
    // A GPU goes on before these ids are known here; if they turn out to be the last, for nothing.
    const bool is_ahead = may_run_ahead && step > 0 && step + 1 < options.max_new_tokens;
    if (is_ahead) run_next();
    const int64_t* const ids = on_host.values();  // the one place that waits for a GPU
    if (step == 0) result.first_token_seconds = seconds_since(start);
    for (size_t i = 0; i < ended.size(); ++i) {
      if (ended[i]) continue;
      const int64_t id = ids[i];
      result.ids[i].push_back(id);
      ended[i] = std::ranges::find(options.stop_ids, id) != options.stop_ids.end();
      if (listener && !listener(static_cast<int64_t>(i), id)) goes_on = false;
    }
    goes_on = goes_on && step + 1 < options.max_new_tokens && std::ranges::find(ended, false) != ended.end();
    if (goes_on && !is_ahead) run_next();
  }
  result.seconds = seconds_since(start);
  return result;
} catch (const c10::Error& error) {
  device_failed("generating", state_->model->compute().device, error);
}

uint64_t kv_cache_bytes(const ModelSpec& spec, const Compute& compute, const Plan& plan, int64_t batch,
                        int64_t tokens) {
  uint64_t blocks = 0;
  for (int64_t block = 0; block < spec.num_blocks; ++block) blocks += plan.bypasses({block, Half::attention}) ? 0 : 1;
  const double bytes = 2.0 * static_cast<double>(blocks) * static_cast<double>(batch) * static_cast<double>(tokens) *
                       static_cast<double>(spec.num_kv_heads * spec.head_dim) *
                       static_cast<double>(bytes_per_element(compute));
  constexpr double more_than_any_machine = 1e18;
  return static_cast<uint64_t>(std::min(bytes, more_than_any_machine));
}

}  // namespace sleb
