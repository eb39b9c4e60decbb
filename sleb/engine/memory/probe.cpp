#include "sleb/engine/memory/probe.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/decoder/linear.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plans/operations.h"

namespace sleb {
namespace {

// A random matrix has to be there in float32 first, as random numbers are not made in every type.
at::Tensor random(at::IntArrayRef shape, const Compute& compute) {
  return at::randn(shape, at::kFloat).to(tensor_options(compute));
}

// Of one run in several, none of them the first. `run` waits for what it began on a GPU.
double mean_seconds(const std::function<void()>& run) {
  run();
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  int64_t runs = 0;
  std::chrono::duration<double> seconds{0};
  do {
    run();
    ++runs;
    seconds = Clock::now() - begin;
  } while (seconds < std::chrono::milliseconds(500));
  return seconds.count() / static_cast<double>(runs);
}

// The one that is measured: of a mixture one with experts, as most are.
int64_t probed_block(const ModelSpec& spec) {
  return spec.block_with(Part::expert_down).value_or(0);
}

double rate_of_blocks(const Decoder& decoder, const ProbedText& text) {
  const ModelSpec& spec = decoder.spec();
  const int64_t block = probed_block(spec);
  // About a second's work.
  const double most_operations = decoder.compute().device == "cpu" ? 2e11 : 5e13;
  const auto operations_of_tokens = [&](int64_t tokens) {
    return unit_operations(spec, {block, Half::attention}, tokens) + unit_operations(spec, {block, Half::mlp}, tokens);
  };
  const double most_tokens = most_operations / operations_of_tokens(text.seqlen);
  const int64_t tokens = std::min(text.seqlen, std::max<int64_t>(128, static_cast<int64_t>(most_tokens)));
  const int64_t segments = std::clamp<int64_t>(static_cast<int64_t>(most_tokens) / tokens, 1, text.segments);
  const AttentionContext context(spec, decoder.compute(), tokens);
  const at::Tensor hidden = random({segments, tokens, spec.hidden_size}, decoder.compute());
  const double seconds = mean_seconds([&] {
    at::Tensor next = decoder.apply({block, Half::attention}, hidden, context);
    decoder.apply_in_place({block, Half::mlp}, next, context);
    next.flatten().narrow(0, 0, 1).cpu();
  });
  return static_cast<double>(segments * tokens) * operations_of_tokens(tokens) / seconds;
}

double rate_of_head(const Decoder& decoder, const ProbedText& text) {
  const int64_t slice_rows = head_slice_rows(decoder.spec(), decoder.compute());
  const int64_t tokens = std::min(text.seqlen, 1 + slice_rows);
  // A slice ends with its segment on the CPU, on CUDA it goes on in the next (head_losses).
  const bool is_cpu = decoder.compute().device == "cpu";
  const int64_t segments = is_cpu ? 1 : std::clamp<int64_t>(slice_rows / tokens, 1, text.segments);
  std::vector<at::Tensor> states(2);
  for (at::Tensor& state : states) state = random({segments, tokens, decoder.spec().hidden_size}, decoder.compute());
  const ScoredTokens scored{.ids = at::zeros({segments, tokens}, states[0].options().dtype(at::kLong)),
                            .first_scored = 1,
                            .block_tokens = tokens};
  const double seconds =
      mean_seconds([&] { head_losses(decoder, states, scored, /*dense=*/0, [](int64_t) {}).nll.cpu(); });
  return static_cast<double>(states.size()) * static_cast<double>(segments * (tokens - 1)) *
         head_operations(decoder.spec()) / seconds;
}

Residency one_block(const ModelSpec& spec) {
  Residency residency{.is_resident = std::vector<bool>(static_cast<size_t>(spec.num_blocks), false)};
  residency.is_resident[static_cast<size_t>(probed_block(spec))] = true;
  return residency;
}

}  // namespace

void warm_up(const Compute& compute) try {
  const c10::InferenceMode guard;
  const Linear linear(random({256, 64}, compute), std::nullopt);
  const at::Tensor heads = linear(random({512, 64}, compute)).view({1, 512, 4, 64}).transpose(1, 2);
  at::scaled_dot_product_attention(heads, heads.narrow(1, 0, 2), heads.narrow(1, 0, 2), {}, 0.0, /*is_causal=*/true, {},
                                   /*enable_gqa=*/true);
  log_probabilities(at::silu(heads)).cpu();
} catch (const c10::Error& error) {
  device_failed("the first computation", compute.device, error);
}

Rates probe_rates(const Checkpoint& checkpoint, const Compute& compute, const ProbedText& text) try {
  const c10::InferenceMode guard;
  const Decoder decoder(checkpoint, compute, one_block(checkpoint.spec()), silent_progress());
  return {rate_of_blocks(decoder, text), rate_of_head(decoder, text)};
} catch (const c10::Error& error) {
  device_failed("measuring the speed", compute.device, error);
}

double probe_token_seconds(const Checkpoint& checkpoint, const Compute& compute, int64_t batch) try {
  const c10::InferenceMode guard;
  const Decoder decoder(checkpoint, compute, one_block(checkpoint.spec()), silent_progress());
  const AttentionContext context(checkpoint.spec(), compute, 1);
  const int64_t block = probed_block(checkpoint.spec());
  const at::Tensor hidden = random({batch, 1, checkpoint.spec().hidden_size}, compute);
  const double block_seconds = mean_seconds([&] {
    at::Tensor next = decoder.apply({block, Half::attention}, hidden, context);
    decoder.apply_in_place({block, Half::mlp}, next, context);
    next.flatten().narrow(0, 0, 1).cpu();
  });
  const double head = mean_seconds([&] {
    at::_softmax(decoder.logits(hidden.select(1, 0)).to(at::kDouble), -1, false)
        .cumsum(-1)
        .flatten()
        .narrow(0, 0, 1)
        .cpu();
  });
  return static_cast<double>(checkpoint.spec().num_blocks) * block_seconds + head;
} catch (const c10::Error& error) {
  device_failed("measuring the speed", compute.device, error);
}

}  // namespace sleb
