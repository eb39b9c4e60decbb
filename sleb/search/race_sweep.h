// The losses of a race, computed part of the text by part of the text, so that a killed race can go on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "sleb/engine/sweep/plan_evaluator.h"
#include "sleb/search/candidates.h"
#include "sleb/search/paired_difference.h"
#include "sleb/search/search_state.h"

namespace sleb {

// Scored tokens of a block, whose losses are summed: long enough for most of the correlation between neighbouring
// tokens to stay inside, short enough for a chunk to have many.
constexpr int64_t default_block_tokens = 128;

// A part of the corpus: chunks of it (PlanEvaluator::chunk_segments), none of them in two rungs that take them whole.
struct Rung {
  std::vector<int64_t> chunks;
  int64_t tokens = 0;  // the first of each segment, to be computed again in a later rung; 0: whole segments
  int64_t block_tokens = default_block_tokens;  // of a rung of whole segments always the same
};

// Saves now and then: before an interrupt ends the search, and every half minute.
class StateSaver {
 public:
  using Save = std::function<void(const SearchState&)>;
  explicit StateSaver(Save save) : save_(std::move(save)) {}
  bool possible() const { return save_ != nullptr; }
  bool due() const;
  void save(const SearchState& state);

 private:
  Save save_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

class RaceSweep {
 public:
  // `state.round`: what an earlier search computed of this race; it is brought up to date when saving. All must
  // outlive the sweep.
  RaceSweep(const PlanEvaluator& evaluator, const PlanRace& race, Criterion criterion, SearchState& state,
            StateSaver& saver, Progress& progress);

  const PlanRace& race() const { return race_; }
  size_t num_candidates() const { return race_.plans.size(); }
  std::vector<Plan> plans(const std::vector<size_t>& candidates) const;

  // Computes the losses of these candidates (indices, ascending) on the rung, and the dense model's where the race
  // wants it. They must have seen the rungs before. Throws what PlanEvaluator::evaluate throws, Error(failed) if a loss
  // is not finite, Error(bad_input) if the earlier search's losses are not this race's.
  void run(const Rung& rung, const std::vector<size_t>& candidates);

  // The mean score on the tokens that the candidate saw, nats per token: of the last rung, if that took parts of
  // segments, else of all whole segments.
  double score(size_t candidate) const;
  // The difference of the scores on the blocks that both saw; `other` saw at least what `own` did.
  PairedDifference difference(size_t own, size_t other) const;
  // The share of the corpus that is seen as whole segments.
  double share_seen() const;

  // What became of the race. The differences are those to the best of the candidates that saw most.
  RaceOutcome outcome() const;

 private:
  struct DoneRung {
    Rung rung;
    size_t begin, end;  // its blocks, of a plan that saw it
    int64_t segments;
  };
  struct Seen {
    size_t begin, end;  // blocks
    int64_t segments, tokens;
  };

  Seen seen(size_t plan) const;
  std::vector<LikelyPlan> likely() const;
  std::vector<PlanLoss> known(const std::vector<size_t>& plans, size_t blocks) const;
  void save(const std::vector<size_t>& plans, const std::vector<PlanLoss>& of_rung);
  void append_block_tokens(const Rung& rung);
  const std::vector<double>& values(size_t plan) const;
  double in_corpus_order(const std::vector<double>& values) const;
  size_t winner() const;
  PlanScore plan_score(size_t index, size_t winner) const;

  const PlanEvaluator& evaluator_;
  const PlanRace& race_;
  Criterion criterion_;
  SearchState& state_;
  StateSaver& saver_;
  Progress& progress_;
  double operations_before_;
  std::vector<Plan> plans_;            // the candidates, and the dense model where the race wants it
  std::vector<PlanLoss> saved_;        // [plans]: by the earlier search
  std::vector<PlanLoss> losses_;       // [plans]: so far, rung after rung
  std::vector<int64_t> block_tokens_;  // [blocks]
  std::vector<DoneRung> rungs_;
};

}  // namespace sleb
