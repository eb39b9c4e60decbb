#include "sleb/engine/forward.h"

#include <algorithm>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/plan_runner.h"

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

std::vector<float> compute_logits(const Model& model, const Plan& plan, std::span<const int64_t> ids, LogitRows rows) {
  const c10::InferenceMode guard;
  const at::Tensor hidden = last_hidden(model, plan, ids, 1, rows)[0];
  const at::Tensor logits = model.decoder().logits(hidden).to(at::kFloat).cpu().contiguous();
  return {logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()};
}

void run_forward(const Model& model, const Plan& plan, std::span<const int64_t> ids, int64_t batch, LogitRows rows) {
  const c10::InferenceMode guard;
  const at::Tensor hidden = last_hidden(model, plan, ids, batch, rows).flatten(0, 1);
  const int64_t slice = head_slice_rows(model.decoder());
  at::Tensor logits;
  for (int64_t begin = 0; begin < hidden.size(0); begin += slice) {
    logits = model.decoder().logits(hidden.narrow(0, begin, std::min(slice, hidden.size(0) - begin)));
  }
  logits.narrow(0, 0, 1).cpu();  // waits
}

}  // namespace sleb
