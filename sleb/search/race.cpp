#include "sleb/search/race.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sleb/base/random.h"
#include "sleb/engine/plans/operations.h"

namespace sleb {
namespace {

// A prefix says less of a segment the shorter it is, and a race needs a dozen blocks to say anything.
constexpr int64_t fewest_prefix_tokens = 64;
constexpr int64_t fewest_tokens = 512;
constexpr int64_t prefix_block_tokens = 32;

}  // namespace

std::vector<Rung> exact_rungs(int64_t num_chunks) {
  Rung all{std::vector<int64_t>(static_cast<size_t>(num_chunks))};
  std::iota(all.chunks.begin(), all.chunks.end(), 0);
  return {all};
}

std::vector<Rung> race_rungs(int64_t num_chunks, int64_t segments, int64_t seqlen) {
  const std::vector<int64_t> order = numpy_permutation(0, num_chunks);
  std::vector<Rung> rungs;
  if (num_chunks <= 2 && seqlen / 4 >= fewest_prefix_tokens && segments * (seqlen / 4) >= fewest_tokens) {
    rungs.push_back({order, seqlen / 4, prefix_block_tokens});
  }
  for (int64_t begin = 0; begin < num_chunks;) {
    const int64_t end = std::min(num_chunks, begin + std::max<int64_t>(1, begin / 2));
    rungs.push_back({{order.begin() + begin, order.begin() + end}});
    begin = end;
  }
  return rungs;
}

std::vector<Rung> race_rungs(const PlanEvaluator& evaluator) {
  return race_rungs(evaluator.num_chunks(), evaluator.corpus().segments, evaluator.corpus().seqlen);
}

int64_t RaceCost::segments(const Rung& rung) const {
  const int64_t each = evaluator_->chunk_segments();
  int64_t segments = 0;
  for (const int64_t chunk : rung.chunks) segments += std::min(each, evaluator_->corpus().segments - chunk * each);
  return segments;
}

double RaceCost::on_rung(size_t rung, std::span<const Plan> plans) const {
  const ModelSpec& spec = evaluator_->model().spec();
  const Corpus& corpus = evaluator_->corpus();
  const int64_t tokens = rungs_[rung].tokens > 0 ? rungs_[rung].tokens : corpus.seqlen;
  std::vector<Plan> all(plans.begin(), plans.end());
  all.emplace_back();  // the dense model
  const Schedule schedule = make_schedule(all, spec.num_blocks);
  const Operations each = operations_of(spec, schedule, tokens, tokens - corpus.first_scored);
  return static_cast<double>(segments(rungs_[rung])) * (each.blocks + each.heads);
}

double RaceCost::on_whole_text(std::span<const Plan> plans) const {
  double sum = 0;
  for (size_t rung = 0; rung < rungs_.size(); ++rung) sum += rungs_[rung].tokens > 0 ? 0 : on_rung(rung, plans);
  return sum;
}

double RaceCost::at_most(std::span<const Plan> plans) const {
  double sum = 0;
  for (size_t rung = 0; rung < rungs_.size(); ++rung) sum += on_rung(rung, plans);
  return sum;
}

double RaceCost::of(std::span<const Plan> plans, std::span<const PlanScore> scores) const {
  std::vector<size_t> rungs_run(plans.size());  // by each plan
  int64_t whole = 0;                            // tokens of whole segments; parts of them are computed again
  for (size_t rung = 0; rung < rungs_.size(); ++rung) {
    const int64_t tokens = rungs_[rung].tokens;
    if (tokens == 0) whole += segments(rungs_[rung]) * evaluator_->corpus().seqlen;
    const int64_t seen = tokens > 0 ? segments(rungs_[rung]) * tokens : whole;
    for (size_t i = 0; i < plans.size(); ++i) {
      if (scores[i].tokens == seen) rungs_run[i] = rung + 1;
    }
  }
  double sum = 0;
  for (size_t rung = 0; rung < std::ranges::max(rungs_run); ++rung) {
    std::vector<Plan> ran;
    for (size_t i = 0; i < plans.size(); ++i) {
      if (rungs_run[i] > rung) ran.push_back(plans[i]);
    }
    sum += on_rung(rung, ran);
  }
  return sum;
}

RaceOutcome run_race(RaceSweep& sweep, const RaceCost& cost, double confidence) {
  const std::vector<Rung>& rungs = cost.rungs();
  std::vector<size_t> alive(sweep.num_candidates());
  std::iota(alive.begin(), alive.end(), 0);
  const auto comparisons = static_cast<double>((alive.size() - 1) * (rungs.size() - 1));
  double left = sweep.race().budget;
  for (size_t rung = 0; rung < rungs.size(); ++rung) {
    if (std::isfinite(left)) left -= cost.on_rung(rung, sweep.plans(alive));
    if (left < 0) break;
    sweep.run(rungs[rung], alive);
    if (rung + 1 == rungs.size()) break;
    const size_t leader = *std::ranges::min_element(alive, {}, [&](size_t i) { return sweep.score(i); });
    const double share = rungs[rung].tokens == 0 ? sweep.share_seen() : 0;
    std::erase_if(alive, [&](size_t i) {
      return i != leader && significantly_positive(sweep.difference(i, leader), share, (1 - confidence) / comparisons);
    });
    if (alive.size() == 1 && alive[0] == sweep.race().known) break;
  }
  return sweep.outcome();
}

}  // namespace sleb
