#include "sleb/search/best.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

constexpr int64_t num_blocks = 10;
constexpr int64_t text_tokens = 100;

using Loss = std::function<double(const UnitSet&)>;

UnitSet blocks_of(const Plan& plan) {
  UnitSet blocks;
  for (const Unit& unit : plan.bypassed()) {
    if (unit.half == Half::mlp) blocks.push_back(unit.block);
  }
  return blocks;
}

double number_of(std::span<const Plan> plans) {
  return static_cast<double>(plans.size());
}

// Each plan costs one operation, in a race of a single rung.
const RaceCounts counts = {
    .on_first_rung = number_of,
    .on_whole_text = number_of,
    .at_most = number_of,
    .of = [](std::span<const Plan> plans, std::span<const PlanScore>) { return number_of(plans); }};

struct Searches {
  Loss loss;
  BestOptions options;
  size_t widest = 0;     // plans of a race
  size_t evaluated = 0;  // races, greedy's rounds not among them

  EvaluateRace evaluate() {
    return [this](const PlanRace& race) {
      RaceOutcome outcome;
      widest = std::max(widest, race.plans.size());
      evaluated += race.known ? 1 : 0;
      double best = std::numeric_limits<double>::max();
      for (const Plan& plan : race.plans) {
        const double value = loss(blocks_of(plan));
        best = std::min(best, value);
        outcome.scores.push_back({.loss = value, .kl = value / text_tokens, .tokens = text_tokens});
      }
      for (PlanScore& score : outcome.scores) score.difference = (score.loss - best) / text_tokens;
      return outcome;
    };
  }

  GreedyResult greedy() {
    return greedy_search(num_blocks, options.greedy, evaluate(), [](const GreedyResult&) {});
  }

  BestResult best(std::vector<SetRace> so_far = {}) {
    const EvaluateRace evaluate = this->evaluate();
    const GreedyResult first = greedy();
    const RaceListener finished = [](const std::vector<SetRace>&, const FoundSet&) {};
    return BestSearch(num_blocks, options, counts, evaluate, finished, first).run(std::move(so_far));
  }
};

Searches searches(int64_t size, const Loss& loss, double budget = 100) {
  return {loss, {.greedy = {.num_remove_blocks = size}, .budget = budget, .text_tokens = text_tokens}};
}

// Blocks cost what they cost by themselves, but a run costs nothing more than its first: greedy sees only the former.
double runs_are_cheap(const UnitSet& set) {
  double sum = 10;
  for (const int64_t block : set) {
    const bool goes_on = std::ranges::find(set, block - 1) != set.end();
    sum += goes_on ? 0 : 1 + (block % 3 == 2 ? 0.0 : 5.0);
  }
  return sum;
}

// Any, but always the same.
double noise(const UnitSet& set) {
  uint64_t hash = 7;
  for (const int64_t block : set) hash = (hash ^ static_cast<uint64_t>(block)) * 0x9E3779B97F4A7C15;
  return static_cast<double>(set.size()) + static_cast<double>(hash >> 40) / 1e7;
}

TEST(Best, FindsARun) {
  Searches search = searches(3, [](const UnitSet& set) { return set == UnitSet{4, 5, 6} ? 1 : 10 + noise(set); });
  EXPECT_NE(search.greedy().steps.back().loss, 1);
  const BestResult result = search.best();
  EXPECT_EQ(result.sets.at(2).units, (UnitSet{4, 5, 6}));
  EXPECT_EQ(result.sets[2].loss, 1);
  EXPECT_EQ(result.races[0].step, "runs of 3");
  EXPECT_EQ(result.races[0].candidates[result.races[0].best].units, (UnitSet{4, 5, 6}));
}

TEST(Best, FindsAPairOfRuns) {
  Searches search = searches(4, runs_are_cheap);
  search.loss = [](const UnitSet& set) { return runs_are_cheap(set) - (set == UnitSet{2, 3, 5, 6} ? 5 : 0); };
  EXPECT_EQ(search.best().sets.at(3).units, (UnitSet{2, 3, 5, 6}));
}

TEST(Best, ExchangesUntilNothingMoves) {
  for (int64_t size = 1; size <= 5; ++size) {
    Searches search = searches(size, noise);
    const BestResult result = search.best();
    const FoundSet& best = result.sets.at(static_cast<size_t>(size - 1));
    for (const int64_t block : best.units) {
      for (const UnitSet& set : with_another_for(block, best.units, {1, 9})) EXPECT_GE(noise(set), best.loss) << size;
    }
    EXPECT_EQ(best.loss, noise(best.units));
  }
}

TEST(Best, NoSizeIsWorseThanGreedys) {
  for (const Criterion criterion : {Criterion::loss, Criterion::kl}) {
    for (const double budget : {0.0, 0.5, 1.0, 1.5, 2.0, 9.0}) {
      Searches search = searches(5, noise, budget);
      search.options.greedy.criterion = criterion;
      const GreedyResult greedy = search.greedy();
      const BestResult result = search.best();
      ASSERT_EQ(result.sets.size(), 5U);
      for (size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(result.sets[i].units.size(), i + 1);
        EXPECT_LE(result.sets[i].loss, greedy.steps[i].loss);
        if (budget == 0) {
          EXPECT_EQ(result.sets[i].loss, greedy.steps[i].loss);
        }
      }
      EXPECT_LE(result.counted, std::max(1.0, budget) * result.exact_operations);
      EXPECT_EQ(result.races.empty(), budget <= 1);
      EXPECT_EQ(result.out_of_budget, budget < 9);
    }
  }
}

TEST(Best, NoRaceIsWiderThanTheFirstRound) {
  Searches search = searches(5, noise);
  search.best();
  EXPECT_EQ(search.widest, 8U);
}

TEST(Best, NoSetRacesTwice) {
  Searches search = searches(4, noise);
  std::set<UnitSet> seen;
  for (const SetRace& race : search.best().races) {
    for (size_t i = 1; i < race.candidates.size(); ++i) {
      EXPECT_TRUE(seen.insert(race.candidates[i].units).second) << ranges_text(race.candidates[i].units, Units::block);
    }
  }
}

// A set that did not see the whole text is no better, whatever its estimate.
TEST(Best, OnlyTheWholeTextCounts) {
  Searches search = searches(3, noise);
  search.options.text_tokens = text_tokens + 1;
  const GreedyResult greedy = search.greedy();
  EXPECT_EQ(search.best().sets[2].loss, greedy.steps[2].loss);
}

TEST(Best, GoesOnAfterFinishedRaces) {
  Searches search = searches(4, noise, 3);
  const BestResult whole = search.best();
  const size_t races = search.evaluated;
  ASSERT_EQ(races, whole.races.size());
  for (size_t finished = 0; finished <= races; ++finished) {
    search.evaluated = 0;
    const BestResult resumed = search.best({whole.races.begin(), whole.races.begin() + static_cast<int64_t>(finished)});
    EXPECT_EQ(search.evaluated, races - finished);
    EXPECT_EQ(resumed.sets.back().units, whole.sets.back().units);
    EXPECT_EQ(resumed.races.size(), races);
    EXPECT_EQ(resumed.counted, whole.counted);
  }
}

TEST(Best, RefusesRacesOfAnotherSearch) {
  Searches search = searches(4, noise, 3);
  const std::vector<SetRace> whole = search.best().races;
  const auto refuses = [&](auto change) {
    std::vector<SetRace> races = whole;
    change(races);
    EXPECT_NE(error_message([&] { search.best(races); }).find("does not belong to this search"), std::string::npos);
  };
  refuses([](std::vector<SetRace>& races) { races[0].step = "runs of 7"; });
  refuses([](std::vector<SetRace>& races) { races[0].best = 99; });
  refuses([](std::vector<SetRace>& races) { races[0].candidates.clear(); });
  refuses([](std::vector<SetRace>& races) { races[1].candidates[1].units = {77}; });
  refuses([](std::vector<SetRace>& races) { races[0].candidates[1].loss = -1; });
  refuses([](std::vector<SetRace>& races) { races.push_back(races[0]); });
}

}  // namespace
}  // namespace sleb
