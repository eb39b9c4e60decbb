// One call of PlanEvaluator::evaluate: plans over chunks of a corpus. Inside the engine only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sleb/engine/decoder/decoder.h"
#include "sleb/engine/plans/schedule.h"
#include "sleb/engine/sweep/kept_states.h"
#include "sleb/engine/sweep/plan_evaluator.h"
#include "sleb/engine/sweep/work_division.h"

namespace sleb {

// In this process.
class Sweep {
 public:
  // `chunks`: those that it is going to run, in their order. What is passed must outlive the sweep.
  Sweep(const PlanEvaluator& evaluator, std::span<const Plan> plans, const EvaluateOptions& options,
        std::vector<int64_t> chunks, KeptStates& kept);

  int64_t segments_of(int64_t chunk) const;
  int64_t blocks(int64_t chunk) const;  // of each plan

  // [plans, and the dense model where it is needed]: the depths of the deepest states that are kept.
  std::vector<int64_t> starts(int64_t chunk) const;
  // Floating-point operations beyond what these states save; of some of the plans alone, from these depths.
  double operations(int64_t chunk) const;
  double operations(int64_t chunk, PlanRange range, const std::vector<int64_t>& starts) const;

  // Appends the losses on the `index`-th of its chunks. `add_work` hears of operations; their sum is returned.
  double run(size_t index, std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work);
  // Keeps nothing of the chunk any more.
  void forget(int64_t chunk);

 private:
  double operations(int64_t chunk, const Schedule& schedule) const;
  int64_t scored() const { return tokens_ - corpus_.first_scored; }
  bool has_dense() const { return plans_.size() > num_plans_; }
  int64_t last_depth() const { return 2 * decoder_.spec().num_blocks; }
  std::vector<int64_t> depths_to_keep(size_t index) const;
  void keep(ChunkId chunk, const ScheduledState& place, const at::Tensor& state);
  std::vector<int64_t> ids_of(int64_t chunk) const;
  // The states of a chunk's segments in one of options_'s stores.
  at::Tensor stored(const DenseStates& dense, int64_t chunk) const;
  // `dense`: which of the states divergences are from.
  void append_losses(const Schedule& schedule, const std::vector<at::Tensor>& states, std::optional<size_t> dense,
                     std::vector<int64_t>& ids, std::vector<PlanLoss>& losses,
                     const std::function<void(double)>& add_work) const;

  const Decoder& decoder_;
  const Corpus& corpus_;
  const EvaluateOptions& options_;
  KeptStates& kept_;
  size_t num_plans_;         // without the dense model
  std::vector<Plan> plans_;  // with it
  int64_t tokens_;
  int64_t block_tokens_;
  int64_t chunk_segments_;
  std::vector<int64_t> chunks_;
  AttentionContext context_;
  std::vector<ResumeDepth> resume_depths_;
};

}  // namespace sleb
