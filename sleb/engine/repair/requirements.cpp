// What a repair needs of a model and of a text.
#include <fmt/core.h>

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/engine/repair/changed_tensors.h"
#include "sleb/engine/repair/repair.h"
#include "sleb/engine/sweep/plan_runner.h"

namespace sleb {
namespace {

constexpr int64_t held_out_share = 8;  // one segment of so many
constexpr int64_t least_held_out = 2;
constexpr int64_t least_segments = 2 * least_held_out;
constexpr int64_t least_tokens_per_column = 4;  // of a matrix, for a fit to be tried

void check_types(const std::vector<OutputMatrix>& matrices, const RepairOptions& options, const std::string& label) {
  for (const OutputMatrix& matrix : matrices) {
    const StoredType type = options.type_of(matrix.stored.name);
    if (type == StoredType::f32 || type == StoredType::f16 || type == StoredType::bf16) continue;
    bad_input("{}: '{}' stays {} in the output, which a repaired matrix can't; give --out-dtype bfloat16", label,
              matrix.stored.name, name_of(type));
  }
}

// The columns of the widest matrix that every token goes through: the rest is fitted where tokens are enough.
int64_t widest_of_all_tokens(const ModelSpec& spec) {
  const int64_t mixed = spec.part_shape(Part::attention_output)[1];
  const int64_t inner = spec.has_weight(Part::down) ? spec.part_shape(Part::down)[1] : 0;
  return spec.parallel_residual ? mixed + inner : std::max({mixed, inner, spec.experts.shared_size});
}

}  // namespace

int64_t held_out_segments(int64_t segments) {
  return std::max(least_held_out, (segments + held_out_share / 2) / held_out_share);
}

int64_t widest_fit(const ModelSpec& spec) {
  return std::max(widest_of_all_tokens(spec), spec.is_mixture() ? spec.experts.size : 0);
}

int64_t default_repair_tokens(const ModelSpec& spec) {
  return 64 * widest_of_all_tokens(spec);
}

int64_t least_repair_tokens(const ModelSpec& spec) {
  return least_tokens_per_column * widest_of_all_tokens(spec);
}

int64_t least_expert_tokens(const ModelSpec& spec) {
  return least_tokens_per_column * spec.experts.size;
}

void check_repairable(const Checkpoint& checkpoint, const RepairOptions& options, const std::string& label) {
  const ModelSpec& spec = checkpoint.spec();
  if (!spec.has_all_halves()) bad_input("{}: repair is not for models whose blocks lack halves", label);
  const bool norms_outputs = spec.norm_placement == NormPlacement::inside || spec.norm_placement == NormPlacement::both;
  if (spec.norm_placement == NormPlacement::after || (norms_outputs && spec.norm != NormKind::rms)) {
    bad_input("{}: repair is not for models that norm the sum of a block's input and output, as this {} does", label,
              spec.family);
  }
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    check_types(output_matrices(spec, {block, Half::attention}), options, label);
    check_types(spec.is_mixture(block) ? expert_matrices(spec, block) : output_matrices(spec, {block, Half::mlp}),
                options, label);
  }
}

std::string nothing_to_repair(const std::vector<int64_t>& removal_list, int64_t num_blocks) {
  if (removal_list.empty()) return "nothing is removed, so there is nothing to repair";
  const int64_t first = *std::ranges::min_element(removal_list);
  if (first + static_cast<int64_t>(removal_list.size()) < num_blocks) return "";
  return fmt::format("no block is kept behind block {}, the first that is removed: there is nothing to repair", first);
}

void check_repair_text(const ModelSpec& spec, std::span<const Corpus> texts) {
  int64_t segments = 0;
  for (const Corpus& text : texts) {
    segments += text.segments;
    check_ids(spec, text.ids, text.name);
  }
  const int64_t seqlen = texts.front().seqlen;
  const int64_t tokens = segments * seqlen;
  if (tokens < least_repair_tokens(spec)) {
    bad_input("--repair-tokens {}: too few for matrices of {} columns; at least {} would do", tokens,
              widest_of_all_tokens(spec), least_repair_tokens(spec));
  }
  if (segments < least_segments) {
    bad_input(
        "--repair-tokens {}: {} segments of {} tokens; repair needs at least {} segments, of which it holds out {}",
        tokens, segments, seqlen, least_segments, least_held_out);
  }
}

void Repair::apply_to(Checkpoint& checkpoint) const {
  for (const ChangedTensor& tensor : tensors) checkpoint.replace(tensor.name, tensor.type, tensor.data.bytes());
}

}  // namespace sleb
