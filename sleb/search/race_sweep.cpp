#include "sleb/search/race_sweep.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/eval/perplexity.h"

namespace sleb {
namespace {

constexpr auto between_saves = std::chrono::seconds(30);

std::span<const double> part(const std::vector<double>& values, size_t begin, size_t end) {
  return std::span(values).subspan(begin, end - begin);
}

std::vector<double> copied_part(const std::vector<double>& values, size_t begin, size_t end) {
  begin = std::min(begin, values.size());
  const auto copied = part(values, begin, std::min(end, values.size()));
  return {copied.begin(), copied.end()};
}

}  // namespace

bool StateSaver::due() const {
  return possible() && (interrupt_requested() || std::chrono::steady_clock::now() - last_ > between_saves);
}

void StateSaver::save(const SearchState& state) {
  if (!possible()) return;
  save_(state);
  last_ = std::chrono::steady_clock::now();
}

RaceSweep::RaceSweep(const PlanEvaluator& evaluator, const PlanRace& race, Criterion criterion, SearchState& state,
                     StateSaver& saver, Progress& progress)
    : evaluator_(evaluator),
      race_(race),
      criterion_(criterion),
      state_(state),
      saver_(saver),
      progress_(progress),
      operations_before_(evaluator.operations()),
      plans_(race.plans),
      saved_(std::exchange(state.round, {})) {
  if (race.wants_dense_loss) plans_.emplace_back();
  losses_.resize(plans_.size());
  if (!saved_.empty() && saved_.size() != plans_.size()) {
    bad_input("the losses of {} models that were kept are not those of {}, which has {}", saved_.size(), race.stage,
              plans_.size());
  }
}

// Which plan later races are going to build on: the better a candidate was when it was last looked at, the likelier.
std::vector<LikelyPlan> RaceSweep::likely() const {
  std::vector<std::pair<double, size_t>> ranks;  // by what is known to be worse, the first of them
  for (size_t i = 0; i < num_candidates(); ++i) {
    double value = 0;
    if (!rungs_.empty()) {
      const bool alive = losses_[i].nll.size() == rungs_.back().end;
      value = alive ? score(i) : std::numeric_limits<double>::max();
    } else if (!race_.expected.empty()) {
      value = race_.expected[i];
    }
    ranks.emplace_back(value, i);
  }
  std::ranges::stable_sort(ranks, {}, &std::pair<double, size_t>::first);
  const bool nothing_known = rungs_.empty() && race_.expected.empty();
  std::vector<LikelyPlan> likely;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    const double chance = nothing_known ? 1 : 1 / static_cast<double>(rank + 1);
    likely.push_back({plans_[ranks[rank].second], chance});
  }
  return likely;
}

std::vector<PlanLoss> RaceSweep::known(const std::vector<size_t>& plans, size_t blocks) const {
  std::vector<PlanLoss> known;
  if (saved_.empty()) return known;
  for (const size_t plan : plans) {
    const size_t begin = losses_[plan].nll.size();
    known.push_back({copied_part(saved_[plan].nll, begin, begin + blocks),
                     copied_part(saved_[plan].divergence, begin, begin + blocks)});
  }
  return known;
}

void RaceSweep::save(const std::vector<size_t>& plans, const std::vector<PlanLoss>& of_rung) {
  if (!saver_.due() || !std::ranges::all_of(of_rung, is_finite)) return;
  state_.round = losses_;
  for (size_t i = 0; i < plans.size(); ++i) state_.round[plans[i]].append(of_rung[i]);
  saver_.save(state_);
}

void RaceSweep::append_block_tokens(const Rung& rung) {
  const Corpus& corpus = evaluator_.corpus();
  const int64_t tokens = rung.tokens > 0 ? rung.tokens : corpus.seqlen;
  DoneRung done{rung, block_tokens_.size(), 0, 0};
  for (const int64_t chunk : rung.chunks) {
    const int64_t segments =
        std::min(evaluator_.chunk_segments(), corpus.segments - chunk * evaluator_.chunk_segments());
    done.segments += segments;
    for (int64_t segment = 0; segment < segments; ++segment) {
      for (int64_t begin = corpus.first_scored; begin < tokens; begin += rung.block_tokens) {
        block_tokens_.push_back(std::min(rung.block_tokens, tokens - begin));
      }
    }
  }
  done.end = block_tokens_.size();
  rungs_.push_back(std::move(done));
}

std::vector<Plan> RaceSweep::plans(const std::vector<size_t>& candidates) const {
  std::vector<Plan> plans;
  for (const size_t index : candidates) plans.push_back(plans_[index]);
  return plans;
}

void RaceSweep::run(const Rung& rung, const std::vector<size_t>& candidates) {
  std::vector<size_t> indices = candidates;
  if (race_.wants_dense_loss) indices.push_back(plans_.size() - 1);
  const std::vector<Plan> plans = this->plans(indices);
  EvaluateOptions options{.divergence = true,
                          .stage = race_.stage,
                          .chunks = rung.chunks,
                          .tokens = rung.tokens,
                          .block_tokens = rung.block_tokens,
                          .likely = likely()};
  if (candidates.size() < num_candidates()) {
    options.stage += fmt::format(", {} of {} candidates left", candidates.size(), num_candidates());
  }
  append_block_tokens(rung);
  options.known = known(indices, rungs_.back().end - rungs_.back().begin);
  if (saver_.possible()) {
    options.chunk_done = [&](const std::vector<PlanLoss>& of_rung) { save(indices, of_rung); };
  }
  const std::vector<PlanLoss> results = evaluator_.evaluate(plans, options, progress_);
  for (size_t i = 0; i < indices.size(); ++i) {
    check_finite(results[i], plans[i], evaluator_.model().checkpoint());
    losses_[indices[i]].append(results[i]);
  }
  for (size_t i = 0; i < saved_.size(); ++i) {
    const bool left = std::ranges::find(indices, i) == indices.end();
    if (left && saved_[i].nll.size() > losses_[i].nll.size()) {
      bad_input("the losses that were kept of {} go on where this search drops a candidate", race_.stage);
    }
  }
}

RaceSweep::Seen RaceSweep::seen(size_t plan) const {
  const size_t end = losses_[plan].nll.size();
  Seen seen{0, end, 0, 0};
  for (const DoneRung& done : rungs_) {
    if (done.end > end) break;
    const bool whole = done.rung.tokens == 0;
    const bool continues = whole && seen.segments > 0 && seen.tokens == seen.segments * evaluator_.corpus().seqlen;
    const int64_t tokens = whole ? evaluator_.corpus().seqlen : done.rung.tokens;
    if (!continues) seen = {done.begin, end, 0, 0};
    seen.segments += done.segments;
    seen.tokens += done.segments * tokens;
  }
  return seen;
}

const std::vector<double>& RaceSweep::values(size_t plan) const {
  return criterion_ == Criterion::kl ? losses_[plan].divergence : losses_[plan].nll;
}

double RaceSweep::score(size_t candidate) const {
  const Seen range = seen(candidate);
  const auto sums = part(values(candidate), range.begin, range.end);
  const auto tokens = std::span(block_tokens_).subspan(range.begin, range.end - range.begin);
  return std::accumulate(sums.begin(), sums.end(), 0.0) /
         static_cast<double>(std::accumulate(tokens.begin(), tokens.end(), int64_t{0}));
}

PairedDifference RaceSweep::difference(size_t own, size_t other) const {
  const Seen range = seen(own);
  return paired_difference(part(values(own), range.begin, range.end), part(values(other), range.begin, range.end),
                           std::span(block_tokens_).subspan(range.begin, range.end - range.begin));
}

double RaceSweep::share_seen() const {
  int64_t segments = 0;
  for (const DoneRung& done : rungs_) segments += done.rung.tokens == 0 ? done.segments : 0;
  return static_cast<double>(segments) / static_cast<double>(evaluator_.corpus().segments);
}

// The sum over the whole corpus does not depend on the order in which its chunks were computed.
double RaceSweep::in_corpus_order(const std::vector<double>& values) const {
  std::map<int64_t, std::pair<size_t, size_t>> blocks_of;  // by chunk
  for (const DoneRung& done : rungs_) {
    if (done.rung.tokens != 0) continue;
    size_t begin = done.begin;
    for (const int64_t chunk : done.rung.chunks) {
      const int64_t segments =
          std::min(evaluator_.chunk_segments(), evaluator_.corpus().segments - chunk * evaluator_.chunk_segments());
      const auto blocks =
          static_cast<size_t>(segments * evaluator_.blocks_per_segment({.block_tokens = default_block_tokens}));
      blocks_of[chunk] = {begin, begin + blocks};
      begin += blocks;
    }
  }
  double sum = 0;
  for (const auto& [chunk, blocks] : blocks_of) {
    for (size_t i = blocks.first; i < blocks.second; ++i) sum += values[i];
  }
  return sum;
}

PlanScore RaceSweep::plan_score(size_t index, size_t winner) const {
  const Corpus& corpus = evaluator_.corpus();
  const auto whole_text = static_cast<double>(corpus.segments * corpus.scored());
  const Seen range = seen(index);
  double nll = 0, divergence = 0;
  if (range.tokens == corpus.segments * corpus.seqlen) {
    nll = in_corpus_order(losses_[index].nll);
    divergence = in_corpus_order(losses_[index].divergence);
  } else {
    double tokens = 0;
    for (size_t i = range.begin; i < range.end; ++i) {
      nll += losses_[index].nll[i];
      divergence += losses_[index].divergence[i];
      tokens += static_cast<double>(block_tokens_[i]);
    }
    nll *= whole_text / tokens;
    divergence *= whole_text / tokens;
  }
  PlanScore score{.loss = reference_loss(nll, corpus.seqlen),
                  .kl = divergence / whole_text,
                  .segments = range.segments,
                  .tokens = range.tokens};
  if (index == winner) return score;
  const PairedDifference difference = this->difference(index, winner);
  score.difference = difference.mean;
  score.error = difference.error;
  return score;
}

size_t RaceSweep::winner() const {
  const size_t most = rungs_.back().end;  // blocks
  const bool whole_text = share_seen() == 1;
  size_t winner = num_candidates();
  double best = 0;
  for (size_t i = 0; i < num_candidates(); ++i) {
    if (losses_[i].nll.size() < most) continue;
    const double value = whole_text ? in_corpus_order(values(i)) : score(i);
    if (winner < num_candidates() && value >= best) continue;
    winner = i;
    best = value;
  }
  return winner;
}

RaceOutcome RaceSweep::outcome() const {
  const size_t winner = this->winner();
  RaceOutcome outcome;
  outcome.operations = evaluator_.operations() - operations_before_;
  for (size_t i = 0; i < num_candidates(); ++i) outcome.scores.push_back(plan_score(i, winner));
  if (race_.wants_dense_loss) {
    outcome.dense_loss = reference_loss(in_corpus_order(losses_.back().nll), evaluator_.corpus().seqlen);
  }
  return outcome;
}

}  // namespace sleb
