// One call of PlanEvaluator::evaluate in many processes. Inside the engine only.
#pragma once

#include "sleb/engine/processes/process_group.h"
#include "sleb/engine/sweep/sweep.h"

namespace sleb {

class SharedSweep {
 public:
  // What is passed must outlive the sweep.
  SharedSweep(const PlanEvaluator& evaluator, std::span<const Plan> plans, const EvaluateOptions& options,
              std::span<const int64_t> chunks, KeptStates& kept, ProcessGroup& processes);

  // About those of all processes: what states the others keep is not known here.
  double operations() const;

  // Appends the losses on all chunks, the same in all processes. `add_work` hears of operations, and `done`, after each
  // wave of chunks, of how many there were in all processes. Throws what ProcessGroup::all_gather throws.
  void run(std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work,
           const std::function<void(double)>& done);

 private:
  double every(double own) const { return static_cast<double>(size_) * own; }
  int64_t own_chunk(size_t wave) const;
  std::vector<int64_t> own_chunks() const;
  double run_wave(size_t wave, std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work);
  double run_divided(size_t index, std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work);
  PartLosses compute(Sweep& sweep, size_t index, size_t plans, const std::function<void(double)>& add_work) const;
  std::vector<PlanRange> divide(int64_t chunk);

  const PlanEvaluator& evaluator_;
  std::span<const Plan> plans_;
  const EvaluateOptions& options_;
  std::span<const int64_t> chunks_;
  KeptStates& kept_;
  ProcessGroup& processes_;
  size_t size_;
  size_t whole_;  // so many chunks are not divided
  Sweep sweep_;   // of all plans: this process's whole chunks, and then those that are divided
};

}  // namespace sleb
