#include "sleb/search/race.h"

#include <algorithm>
#include <numeric>

#include "sleb/base/random.h"

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

RoundOutcome run_race(RoundSweep& sweep, const std::vector<Rung>& rungs, double confidence) {
  std::vector<size_t> alive(sweep.num_candidates());
  std::iota(alive.begin(), alive.end(), 0);
  const auto comparisons = static_cast<double>((alive.size() - 1) * (rungs.size() - 1));
  for (size_t rung = 0; rung < rungs.size(); ++rung) {
    sweep.run(rungs[rung], alive);
    if (rung + 1 == rungs.size()) break;
    const size_t leader = *std::ranges::min_element(alive, {}, [&](size_t i) { return sweep.score(i); });
    const double share = rungs[rung].tokens == 0 ? sweep.share_seen() : 0;
    std::erase_if(alive, [&](size_t i) {
      return i != leader && significantly_positive(sweep.difference(i, leader), share, (1 - confidence) / comparisons);
    });
  }
  return sweep.outcome();
}

}  // namespace sleb
