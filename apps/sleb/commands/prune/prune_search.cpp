#include "apps/sleb/commands/prune/prune_search.h"

#include <fmt/core.h>

#include <utility>

#include "sleb/base/numbers.h"
#include "sleb/eval/perplexity.h"

namespace sleb::app {
namespace {

std::string round_line(const GreedyResult& so_far, const GreedyOptions& options, bool at_most, const Corpus& corpus) {
  const GreedyStep& step = so_far.steps.back();
  const std::optional<double> margin = step.margin();
  return fmt::format("round {} of {}{}: block {:>2} removed  loss {:.2f}  perplexity {:.2f}  margin {}  {}",
                     so_far.steps.size(), at_most ? "at most " : "", options.rounds(),
                     text_of(removal_of(step.removed, options.units)), step.loss,
                     perplexity(step.loss, corpus.segments, corpus.seqlen),
                     margin ? fmt::format("{:.1f} se", *margin) : "-", format_seconds(step.seconds));
}

// "another for 17", "for 17.attention"
int step_width(Units units) {
  return units == Units::half ? 17 : 15;
}

// Judges the rounds so far, and keeps the figures where they are new: what was measured decides after a restart too.
MayGoOn keeping_figures(SizeChooser& chooser, KeptRounds& kept_rounds, Progress& progress) {
  return [&](const GreedyResult& so_far) {
    const Json before = chooser.kept();
    const bool goes_on = chooser.may_go_on(so_far);
    const Json now = chooser.kept();
    if (kept_rounds.possible() && now != before) kept_rounds.save({.finished = so_far, .callers = now}, progress);
    return goes_on;
  };
}

// A line a race, below the columns' names: its candidates, and the best set of its size so far.
std::string race_columns(Units units) {
  return fmt::format("{:<{}} {:>4}  {:<24} {:>11} {:>7}  {}", "candidates", step_width(units), "of", "best so far",
                     "loss", "KL", "time");
}

std::string race_line(const SetRace& race, const FoundSet& best, Units units) {
  constexpr size_t width = 24;
  std::string set = ranges_text(best.units, units);
  if (set.size() > width) set = set.substr(0, width - 3) + "...";
  return fmt::format("{:<{}} {:>4}  {:<24} {:>11.2f} {:>7.4f}  {}", race.step, step_width(units),
                     race.candidates.size() - 1, set, best.loss, best.kl, format_seconds(race.seconds));
}

}  // namespace

SearchResult search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                    SizeChooser* chooser, KeptRounds& kept_rounds, Progress& progress) {
  SearchHooks hooks;
  if (chooser != nullptr) {
    chooser->adopt(state.callers);
    hooks.may_go_on = keeping_figures(*chooser, kept_rounds, progress);
  }
  if (kept_rounds.possible()) {
    hooks.save = [&](SearchState now) {
      if (chooser != nullptr) now.callers = chooser->kept();
      kept_rounds.save(now, progress);
    };
  }
  hooks.round_finished = [&](const GreedyResult& so_far) {
    progress.note(round_line(so_far, options.greedy, chooser != nullptr, evaluator.corpus()));
  };
  hooks.race_finished = [&](const std::vector<SetRace>& races, const FoundSet& best) {
    if (races.size() == 1) progress.note(race_columns(options.greedy.units));
    progress.note(race_line(races.back(), best, options.greedy.units));
  };
  SearchResult result = run_search(evaluator, options, std::move(state), hooks, progress);
  if (chooser != nullptr) (void)hooks.may_go_on(result.greedy);  // the last round, too
  if (result.best && result.best->out_of_budget) {
    progress.note(
        fmt::format("the search budget of {} is spent; a larger --search-budget looks at more sets", options.budget));
  }
  return result;
}

}  // namespace sleb::app
