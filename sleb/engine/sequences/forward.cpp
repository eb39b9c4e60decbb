#include "sleb/engine/sequences/forward.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/base/numbers.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/block.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/sweep/plan_runner.h"

namespace sleb {
namespace {

// [batch, rows, hidden] after the last unit: of every token or of each sequence's last.
at::Tensor last_hidden(const Model& model, const Plan& plan, std::span<const int64_t> ids, int64_t batch,
                       LogitRows rows) {
  check_ids(model.spec(), ids, "input");
  const int64_t tokens = static_cast<int64_t>(ids.size()) / batch;
  check_sequence_length(model.spec(), tokens, "input");
  const AttentionContext context(model.spec(), model.compute(), tokens);
  const Schedule schedule = make_schedule(std::span(&plan, 1), model.spec().num_blocks);
  const at::Tensor hidden = run_schedule(model.decoder(), schedule, ids, context)[0];
  return rows == LogitRows::last ? hidden.narrow(1, tokens - 1, 1) : hidden;
}

}  // namespace

std::vector<float> compute_logits(const Model& model, const Plan& plan, std::span<const int64_t> ids,
                                  LogitRows rows) try {
  const c10::InferenceMode guard;
  const at::Tensor hidden = last_hidden(model, plan, ids, 1, rows)[0];
  const at::Tensor logits = model.decoder().logits(hidden).to(at::kFloat).cpu().contiguous();
  return {logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()};
} catch (const c10::Error& error) {
  device_failed("computing logits", model.compute().device, error);
}

void run_forward(const Model& model, const Plan& plan, std::span<const int64_t> ids, int64_t batch,
                 LogitRows rows) try {
  const c10::InferenceMode guard;
  const at::Tensor hidden = last_hidden(model, plan, ids, batch, rows).flatten(0, 1);
  const int64_t slice = head_slice_rows(model.spec(), model.compute());
  at::Tensor logits;
  for (int64_t begin = 0; begin < hidden.size(0); begin += slice) {
    logits = model.decoder().logits(hidden.narrow(0, begin, std::min(slice, hidden.size(0) - begin)));
  }
  logits.narrow(0, 0, 1).cpu();  // waits
} catch (const c10::Error& error) {
  device_failed("computing logits", model.compute().device, error);
}

uint64_t working_bytes(const ModelSpec& spec, const Compute& compute, int64_t batch, int64_t tokens) {
  const int64_t copies = spec.is_latent() ? 4 : 2;
  const int64_t attention = copies * (spec.num_heads + 2 * spec.num_kv_heads) * spec.head_dim;
  const int64_t matrices = spec.mlp == MlpKind::gated ? 3 : 2;
  const int64_t rows = batch * tokens;
  const int64_t mlp_rows = compute.device == "cpu" ? std::min(rows, mlp_rows_cpu) : rows;
  const int64_t mlp = spec.has_weight(Part::down) ? mlp_rows * matrices * spec.intermediate_size : 0;
  const int64_t expert = matrices * std::max(spec.experts.size, spec.experts.shared_size) + 4 * spec.hidden_size;
  const int64_t mixture = spec.is_mixture() ? rows * expert : 0;
  const int64_t states = 3 * rows * spec.hidden_size + std::max({rows * attention, mlp, mixture});
  const int64_t logits = std::max(batch, head_slice_rows(spec, compute)) * spec.vocabulary_size;
  return static_cast<uint64_t>(states + logits) * bytes_per_element(compute) +
         static_cast<uint64_t>(logits) * 2 * sizeof(float);
}

void check_memory(const Model& model, int64_t batch, int64_t tokens, uint64_t kept_bytes) {
  if (model.compute().device != "cpu") return;
  const uint64_t work = working_bytes(model.spec(), model.compute(), batch, tokens);
  const uint64_t free = available_memory();
  if (work + kept_bytes <= free) return;
  const auto fits = static_cast<int64_t>(static_cast<double>(batch) * static_cast<double>(free) /
                                         static_cast<double>(work + kept_bytes));
  const std::string kept = kept_bytes > 0 ? fmt::format(" and {} for keys and values", format_bytes(kept_bytes)) : "";
  failed("{} sequences of {} tokens need {} for their states{}, and {} are free; {}", batch, tokens, format_bytes(work),
         kept, format_bytes(free),
         fits > 0 ? fmt::format("a batch of {} would fit", fits) : std::string("give fewer tokens"));
}

}  // namespace sleb
