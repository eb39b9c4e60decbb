// Follows decoder/block.cpp, decoder/norm.cpp, decoder/attention_context.cpp and decoder/head_loss.cpp.
#include "sleb/engine/memory/sweep_memory.h"

#include <algorithm>
#include <set>

#include "sleb/engine/plans/attention_kernels.h"
#include "sleb/engine/plans/operations.h"

namespace sleb {
namespace {

// Widths and types of a model's activations.
class Activations {
 public:
  Activations(const ModelSpec& spec, const Compute& compute, int64_t seqlen)
      : spec_(spec),
        seqlen_(seqlen),
        is_cpu_(compute.device == "cpu"),
        element_(bytes_per_element(compute)),
        hidden_(static_cast<uint64_t>(spec.hidden_size)),
        query_(static_cast<uint64_t>(spec.num_heads * spec.head_dim)),
        key_(static_cast<uint64_t>(spec.num_kv_heads * spec.head_dim)),
        threads_(static_cast<uint64_t>(compute.threads)),
        capability_(compute.capability) {}

  // The most that stands in memory, beside the hidden states, while a unit is computed on so many rows.
  uint64_t unit(uint64_t rows) const {
    const uint64_t hidden = rows * hidden_ * element_;
    // Both halves' inputs stand beside the hidden state where the residual is parallel; an output that is normed is not
    // added at once.
    const uint64_t inputs = spec_.parallel_residual ? 2 * hidden : 0;
    const bool norms_outputs =
        spec_.norm_placement == NormPlacement::inside || spec_.norm_placement == NormPlacement::both;
    const uint64_t outputs = norms_outputs ? hidden + norm(rows) : 0;
    return std::max({attention(rows), mlp(rows), mixture(rows)}) + inputs + outputs;
  }

  // A slice of logits; twice and the dense model's where distributions are compared.
  uint64_t head(uint64_t rows, bool divergence) const {
    const uint64_t logits = rows * static_cast<uint64_t>(spec_.vocabulary_size);
    // On CUDA (losses_by_row) the slice's rows are gathered first; then come its logits and log-probabilities, both in
    // float32, beside the dense model's probabilities.
    if (!is_cpu_) return rows * hidden_ * element_ + norm(rows) + logits * (divergence ? 12 : 8);
    // The logits in their type, in float32 and as log-probabilities, two of them at a time; each dense slice beside
    // another model's, their difference and an exponential.
    const uint64_t copies = divergence ? 16 : 8;
    return norm(rows) + logits * copies + logits * 4;  // once more for freed pieces, as in attention()
  }

  // On the CPU RMS norm computes in float32; elsewhere, as layer norm does, in one pass that keeps a number a row.
  uint64_t norm(uint64_t rows) const {
    const bool one_pass = spec_.norm == NormKind::layer || !is_cpu_;
    return rows * (hidden_ * (one_pass || element_ == 4 ? element_ : 4 + 4 + element_) + (is_cpu_ ? 0 : 4));
  }

  // What malloc does not join of freed blocks: at worst another tensor of the widest kind.
  uint64_t attention(uint64_t rows) const {
    const uint64_t normed = rows * hidden_ * element_;
    // Latent attention puts them together from what its products gave.
    const auto latent = static_cast<uint64_t>(spec_.is_latent() ? spec_.latent.size + spec_.latent.query_size : 0);
    const uint64_t gathered = spec_.is_latent() ? rows * (latent + 2 * query_) * element_ : 0;
    const uint64_t heads = rows * (query_ + 2 * key_) * element_ + gathered;
    const uint64_t mixed = rows * query_ * element_;
    // The CPU keeps half of the heads while it turns them in place, a GPU writes them anew.
    const uint64_t rotary = spec_.position == PositionKind::rotary ? rows * (query_ + key_) * element_ : 0;
    const uint64_t turning = is_cpu_ ? rotary / 2 : rotary;
    const uint64_t turned = is_cpu_ ? 0 : rotary;
    const uint64_t sums = rows * static_cast<uint64_t>(spec_.num_heads) * 4;
    // Normed queries and keys stand beside the others, with what RMS norm computes in float32.
    const uint64_t head_norms = spec_.qk_norm == QkNorm::none ? 0 : rows * (query_ + key_) * (element_ + 8);
    const uint64_t most =
        std::max({norm(rows), normed + heads, heads + head_norms + turning,
                  heads + head_norms + turned + mixed + sums + inside_attention(rows), mixed + normed});
    return most + std::max(heads, normed);
  }

  // Where all rows choose one expert.
  uint64_t mixture(uint64_t rows) const {
    if (!spec_.is_mixture()) return 0;
    const auto size = static_cast<uint64_t>(std::max(spec_.experts.size, spec_.experts.shared_size));
    const uint64_t inner = rows * size * element_ * (spec_.mlp == MlpKind::gated ? 3 : 1);
    const uint64_t states = 4 * rows * hidden_ * element_;  // normed, the sum, the expert's own rows, and its output
    const auto pairs = rows * static_cast<uint64_t>(spec_.experts.chosen);
    return norm(rows) + states + inner + rows * static_cast<uint64_t>(spec_.experts.count) * 8 + pairs * 40;
  }

  uint64_t mlp(uint64_t chunk_rows) const {
    if (!spec_.has_weight(Part::down)) return 0;
    const uint64_t rows = is_cpu_ ? std::min(chunk_rows, static_cast<uint64_t>(mlp_rows_cpu)) : chunk_rows;
    const auto inner = rows * static_cast<uint64_t>(spec_.intermediate_size) * element_;
    const uint64_t normed = rows * hidden_ * element_;
    const uint64_t up = spec_.mlp == MlpKind::gated ? 2 * inner : inner;
    return std::max(norm(rows), normed + up + inner + normed) + up;
  }

 private:
  // What attention takes beside its output.
  uint64_t inside_attention(uint64_t rows) const {
    const bool biased = spec_.position == PositionKind::alibi;
    if (biased || spec_.attention_cap != 0 || spec_.attention_sinks) return inside_biased_attention(rows, biased);
    // On the CPU scores of 256 queries against 512 keys, and their output, in each thread.
    if (is_cpu_) return threads_ * 256 * (512 + static_cast<uint64_t>(spec_.head_dim)) * (element_ == 4 ? 4 : 6);
    const AttentionShape shape{spec_.head_dim, element_, spec_.num_heads != spec_.num_kv_heads, capability_};
    const bool windowed =
        std::ranges::any_of(spec_.sliding_windows, [&](int64_t window) { return window > 0 && window < seqlen_; });
    const bool masked = windowed && !flash_takes_window(shape);
    // Scores and their softmax, both in float32.
    if (keeps_scores(shape, masked)) return rows * static_cast<uint64_t>(spec_.num_heads * seqlen_) * 8;
    return must_repeat_heads(shape, masked) ? 2 * rows * query_ * element_ : 0;
  }

  // Of a slice of queries: scores, a copy and their softmax in float32, or a mask with its biases and fused scores.
  uint64_t inside_biased_attention(uint64_t rows, bool biased) const {
    const auto heads = static_cast<uint64_t>(spec_.num_heads);
    const auto slice = static_cast<uint64_t>(std::min(biased_slice_tokens, seqlen_));
    const uint64_t scores = rows * heads * slice;
    if (biased) return heads * slice * static_cast<uint64_t>(seqlen_) * (element_ + 1) + (is_cpu_ ? 0 : scores * 8);
    return scores * (element_ + 4 + 4 + element_) + 2 * rows * query_ * element_;
  }

  const ModelSpec& spec_;
  int64_t seqlen_;
  bool is_cpu_;
  uint64_t element_;
  uint64_t hidden_, query_, key_;
  uint64_t threads_;
  int64_t capability_;
};

// That are computed before they are cut into slices: on CUDA those of a whole chunk.
int64_t rows_of_logits(const Compute& compute, const SweepSize& sweep) {
  if (compute.device == "cpu" || sweep.scored_rows == 0) return std::max<int64_t>(sweep.scored_rows, 1);
  return sweep.chunk_segments * (sweep.seqlen - 1);
}

// What losses_by_row keeps of each row: where it is and its target, and each state's losses in float32.
uint64_t tables_of_losses(const Compute& compute, const SweepSize& sweep) {
  if (compute.device == "cpu" || sweep.scored_rows == 0) return 0;
  const auto states = static_cast<uint64_t>(sweep.states);
  return static_cast<uint64_t>(rows_of_logits(compute, sweep)) *
         (uint64_t{2} * 8 + states * (sweep.divergence ? 8 : 4));
}

// Of each query and key, where attention with spelled out masks has them for all heads: scores, in float32 too where
// they are of another type, and their softmax (spelled_out_attention); or masks with biases, and scores on a GPU.
uint64_t score_bytes(const ModelSpec& spec, const Compute& compute) {
  const uint64_t element = bytes_per_element(compute);
  uint64_t bytes = 0;
  if (spec.attention_cap != 0 || spec.attention_sinks) bytes = element == 4 ? 8 : 2 * element + 8;
  if (spec.position == PositionKind::alibi) bytes += element + (compute.device == "cpu" ? 0 : 8);
  return static_cast<uint64_t>(spec.num_heads) * bytes;
}

// Which token sees which, as numbers that are added to the scores, beside two tables of booleans that they are made of;
// of each window again, beside distances in 64 bits and one more table.
uint64_t mask_bytes(const ModelSpec& spec, const Compute& compute, const SweepSize& sweep) {
  std::set<int64_t> windows;
  for (const int64_t window : spec.sliding_windows) {
    if (window > 0 && window < sweep.seqlen) windows.insert(window);
  }
  const uint64_t masks = (1 + windows.size()) * bytes_per_element(compute) + 2 + (windows.empty() ? 0 : 8 + 1);
  return static_cast<uint64_t>(sweep.chunk_segments * sweep.seqlen * sweep.seqlen) *
         (masks + score_bytes(spec, compute));
}

// Rows of the embedding: on the CPU they are decoded into float32, and the system maps them with the 64 KiB around
// each.
Footprint embedding(const ModelSpec& spec, const Compute& compute, const StoredForms& forms, uint64_t rows) {
  if (compute.device != "cpu") {
    return Footprint::of(rows * static_cast<uint64_t>(spec.embedding_size) * bytes_per_element(compute));
  }
  constexpr uint64_t mapped_around = uint64_t{64} << 10;
  const uint64_t stored = forms(std::string(spec.names.embedding) + ".weight").bytes;
  const uint64_t row = stored / static_cast<uint64_t>(spec.vocabulary_size);
  const uint64_t width = 4 + (compute.dtype == "float32" ? 0 : bytes_per_element(compute));
  return Footprint::of(rows * static_cast<uint64_t>(spec.embedding_size) * width,
                       std::min(stored, rows * (row + mapped_around)));
}

}  // namespace

uint64_t state_bytes(const ModelSpec& spec, const Compute& compute, const SweepSize& sweep) {
  return static_cast<uint64_t>(sweep.chunk_segments * sweep.seqlen * spec.hidden_size) * bytes_per_element(compute);
}

SweepMemory sweep_memory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms,
                         const SweepSize& sweep) {
  const Activations activations(spec, compute, sweep.seqlen);
  const auto rows = static_cast<uint64_t>(sweep.chunk_segments * sweep.seqlen);
  SweepMemory memory;
  memory.states = static_cast<uint64_t>(sweep.states) * state_bytes(spec, compute, sweep);
  const auto head_rows =
      static_cast<uint64_t>(std::min(rows_of_logits(compute, sweep), head_slice_rows(spec, compute)));
  memory.work = Footprint::of(std::max(
      activations.unit(rows), activations.head(head_rows, sweep.divergence) + tables_of_losses(compute, sweep)));
  if (sweep.masks) memory.work = memory.work + Footprint::of(mask_bytes(spec, compute, sweep));
  // The embedding's rows come before there is any state.
  const Footprint rows_read = embedding(spec, compute, forms, rows);
  const auto beyond_states = [&](uint64_t bytes) { return bytes - std::min(bytes, memory.states); };
  memory.work = larger(memory.work, {beyond_states(rows_read.resident), beyond_states(rows_read.anonymous)});
  return memory;
}

}  // namespace sleb
