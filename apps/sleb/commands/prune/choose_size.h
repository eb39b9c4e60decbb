// How many blocks `sleb prune` removes where the user says what that may cost or has to gain: after each round of the
// search the model without the blocks so far is judged, and the search ends where a condition does.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "apps/sleb/commands/prune/prune_arguments.h"
#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/engine/model.h"
#include "sleb/engine/sweep/plan_evaluator.h"
#include "sleb/report/size_choice.h"
#include "sleb/search/search_state.h"

namespace sleb::app {

// No number of blocks meets the conditions: nothing is written, and the rounds are kept for others.
class ConditionNotMet : public Error {
 public:
  explicit ConditionNotMet(const std::string& message) : Error(ErrorKind::failed, message) {}
};

// What can be said before the model is there. Throws Error(bad_input) where no text is held out, for a search that has
// no sizes on its way, and for a speed without a speed test.
void check_conditions(const PruneArguments& arguments);

// The held-out text where --eval-ppl names none: the calibration data set's test or validation split, the first 32,768
// tokens of it or --eval-segments. Nothing if none is needed. Throws Error.
std::optional<Corpus> load_held_out(const Checkpoint& checkpoint, const PruneArguments& arguments,
                                    const EvaluationOptions& options, Progress& progress);

// What the choice depends on beside what the search does. `held_out`: nullptr: none.
void add_to(Fingerprint& fingerprint, const SearchOptions& options, const SizeConditions& conditions,
            const Corpus* held_out);

class SizeChooser {
 public:
  struct Ground {
    const Model& model;
    const Corpus* held_out;  // nullptr: no condition needs it
    int64_t chunk_segments;  // of it, computed at a time
    int64_t prompt_tokens;   // of the speed test
    Units units;
    std::filesystem::path scratch;  // folder for the dense model's states on it
  };
  // All must outlive it. Throws Error(bad_input) for ids that are not of the model's vocabulary.
  SizeChooser(const SizeConditions& conditions, const Ground& ground, Progress& progress);

  // Figures that an earlier run kept count where they are of the same text and prompt. Throws Error(bad_input) if they
  // are damaged.
  void adopt(const Json& kept);
  Json kept() const;

  // Whether the blocks of all rounds so far may go, and none of the sets is fast enough. Of many processes all are
  // told the same. Throws what evaluations throw.
  bool may_go_on(const GreedyResult& so_far);
  // Cuts the rounds that are too many. Throws ConditionNotMet, with figures, if no number of rounds will do.
  SizeChoice choose(GreedyResult& result);

 private:
  enum class Verdict { goes_on, is_too_much, is_enough };
  Verdict judge(const GreedyResult& so_far, size_t rounds);
  HeldOutFigures evaluate(const RemovalList& removed);
  PromptSpeed measure(const RemovalList& removed);
  bool may_be_fast_enough(const RemovalList& removed) const;
  [[noreturn]] void fail(size_t rounds, bool too_much) const;

  Ground ground_;
  Progress& progress_;
  SizeChoice choice_;
  std::optional<PlanEvaluator> evaluator_;
  std::optional<DenseStates> dense_states_;
  std::optional<PlanLoss> dense_;
};

}  // namespace sleb::app
