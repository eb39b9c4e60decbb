#include "sleb/engine/plans/operations.h"

#include <algorithm>

namespace sleb {
namespace {

constexpr int64_t chunk_tokens_cpu = 2048;
// On CUDA a block of a chunk has to be some milliseconds of work: less is lost among launches. More is of no use, and a
// race, whose rungs are chunks, would look at more of the text than it must.
constexpr double chunk_block_operations_cuda = 1.5e12;
constexpr int64_t least_chunk_tokens_cuda = 4096;
constexpr int64_t most_chunk_tokens_cuda = 16384;

// Rows whose logits take about this many bytes in float32; on the CPU small enough for malloc to hand the same memory
// out again (FreedBlocks).
constexpr int64_t slice_bytes_cpu = int64_t{12} << 20;
constexpr int64_t slice_bytes_cuda = int64_t{128} << 20;
// Below, products lose speed: a GPU reads the head's weight once a slice, in the time of some 200 rows' arithmetic.
constexpr int64_t least_slice_rows_cpu = 64;
constexpr int64_t least_slice_rows_cuda = 1024;

int64_t chunk_tokens(const ModelSpec& spec, const Compute& compute, int64_t seqlen) {
  if (compute.device == "cpu") return chunk_tokens_cpu;
  const int64_t last = spec.num_blocks - 1;
  const double block =
      unit_operations(spec, {last, Half::attention}, seqlen) + unit_operations(spec, {last, Half::mlp}, seqlen);
  return std::clamp(static_cast<int64_t>(chunk_block_operations_cuda / block), least_chunk_tokens_cuda,
                    most_chunk_tokens_cuda);
}

}  // namespace

double unit_operations(const ModelSpec& spec, Unit unit, int64_t tokens) {
  const auto hidden = static_cast<double>(spec.hidden_size);
  const double mlp_matrices = spec.mlp == MlpKind::gated ? 3 : 2;
  const ExpertSpec& experts = spec.experts;
  const bool is_mixture = spec.is_mixture(unit.block);
  const int64_t width = is_mixture ? experts.chosen * experts.size + experts.shared_size : spec.intermediate_size;
  const double routing = is_mixture ? 2 * hidden * static_cast<double>(experts.count) : 0;
  const double mlp = 2 * mlp_matrices * hidden * static_cast<double>(width) + routing;
  if (unit.half == Half::mlp) return spec.parallel_residual ? 0 : mlp;
  double matrices = 0;
  for (const Part part : {Part::query, Part::key, Part::value, Part::query_latent, Part::latent, Part::latent_key_value,
                          Part::attention_output}) {
    if (!spec.has_weight(part)) continue;
    const std::vector<int64_t> shape = spec.part_shape(part);
    matrices += 2 * static_cast<double>(shape[0] * shape[1]);
  }
  const auto mixed = static_cast<double>(spec.num_heads * (spec.head_dim + spec.value_dim()));
  const double attention = matrices + mixed * static_cast<double>(tokens);
  return spec.parallel_residual ? attention + mlp : attention;
}

double head_operations(const ModelSpec& spec) {
  const auto width = static_cast<double>(spec.embedding_size);
  const double projection = spec.has_projections() ? 2 * static_cast<double>(spec.hidden_size) * width : 0;
  return projection + 2 * width * static_cast<double>(spec.vocabulary_size);
}

Operations operations_of(const ModelSpec& spec, const Schedule& schedule, int64_t tokens, int64_t scored) {
  double units = 0;
  for (const ScheduleStep& step : schedule.steps) units += unit_operations(spec, step.unit, tokens);
  return {units * static_cast<double>(tokens),
          head_operations(spec) * static_cast<double>(schedule.num_states * scored)};
}

int64_t default_chunk_segments(const ModelSpec& spec, const Compute& compute, int64_t seqlen, int64_t segments) {
  const int64_t most = std::clamp<int64_t>(chunk_tokens(spec, compute, seqlen) / seqlen, 1, segments);
  const int64_t chunks = (segments + most - 1) / most;
  return chunks >= compute.num_processes ? most : std::max<int64_t>(1, segments / compute.num_processes);
}

int64_t head_slice_rows(const ModelSpec& spec, const Compute& compute) {
  const bool is_cpu = compute.device == "cpu";
  const int64_t rows = (is_cpu ? slice_bytes_cpu : slice_bytes_cuda) / 4 / spec.vocabulary_size;
  return std::max(is_cpu ? least_slice_rows_cpu : least_slice_rows_cuda, rows);
}

}  // namespace sleb
