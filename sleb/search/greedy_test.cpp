#include "sleb/search/greedy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sleb/base/error.h"

namespace sleb {
namespace {

GreedyResult search(int64_t num_blocks, const GreedyOptions& options, const std::function<double(const Plan&)>& loss,
                    GreedyResult so_far = {}, const MayGoOn& may_go_on = {}) {
  const auto evaluate = [&](const PlanRace& round) {
    RaceOutcome outcome;
    outcome.dense_loss = loss(Plan());
    for (const Plan& plan : round.plans) {
      const double value = loss(plan);
      outcome.scores.push_back({.loss = value, .kl = -value});
    }
    return outcome;
  };
  return greedy_search(
      num_blocks, options, evaluate, [](const GreedyResult&) {}, std::move(so_far), may_go_on);
}

bool removes(const Plan& plan, int64_t block) {
  return plan.bypasses({block, Half::mlp});
}

TEST(Greedy, RemovesTheCheapestBlockOfEachRound) {
  const std::vector<double> cost = {0, 5, 2, 9, 1, 0};
  const auto result = search(6, {.num_remove_blocks = 3}, [&](const Plan& plan) {
    double sum = 0;
    for (int64_t block = 0; block < 6; ++block) sum += removes(plan, block) ? cost[static_cast<size_t>(block)] : 0;
    return sum;
  });
  EXPECT_EQ(result.removal_list(Units::block), (RemovalList{4, 2, 1}));
  EXPECT_EQ(result.steps[0].candidates.size(), 4U);
  EXPECT_EQ(result.steps[2].candidates.size(), 2U);
  EXPECT_EQ(result.steps[2].loss, 8);
  EXPECT_EQ(result.dense_loss, 0);
}

// Attention costs less in every block, and still as many MLPs go.
TEST(Greedy, AsManyHalvesOfEachKind) {
  const auto result = search(5, {.num_remove_blocks = 2, .units = Units::half}, [](const Plan& plan) {
    double sum = 0;
    for (const Unit& unit : plan.bypassed()) sum += static_cast<double>(unit.block) + (unit.half == Half::mlp ? 10 : 0);
    return sum;
  });
  using enum Half;
  EXPECT_EQ(result.removal_list(Units::half), (RemovalList{{1, attention}, {2, attention}, {1, mlp}, {2, mlp}}));
  EXPECT_EQ(result.steps[0].candidates.size(), 6U);
  EXPECT_EQ(result.steps[0].candidates[1].unit, 3);  // the MLP of block 1
  EXPECT_EQ(result.steps[2].candidates.size(), 3U);
  EXPECT_EQ(result.steps[3].loss, 1 + 2 + 11 + 12);
}

// Asked after each round but the last, of earlier ones too.
TEST(Greedy, EndsWhereItMayNotGoOn) {
  const auto loss = [](const Plan&) { return 1.0; };
  std::vector<size_t> asked;
  const auto two = [&](const GreedyResult& so_far) {
    asked.push_back(so_far.steps.size());
    return so_far.steps.size() < 2;
  };
  const GreedyResult ended = search(6, {.num_remove_blocks = 4}, loss, {}, two);
  EXPECT_EQ(ended.removal_list(Units::block), (RemovalList{1, 2}));
  EXPECT_EQ(search(6, {.num_remove_blocks = 4}, loss, ended, two).steps.size(), 2U);
  EXPECT_EQ(asked, (std::vector<size_t>{1, 2, 2}));
  EXPECT_EQ(search(6, {.num_remove_blocks = 2}, loss, {}, two).steps.size(), 2U);
  EXPECT_EQ(search(6, {.num_remove_blocks = 4}, loss, ended).steps.size(), 4U);
}

TEST(Greedy, TiesGoToTheEarlierBlock) {
  const auto result = search(6, {.num_remove_blocks = 2}, [](const Plan&) { return 1.0; });
  EXPECT_EQ(result.removal_list(Units::block), (RemovalList{1, 2}));
}

// The reference counts barriers in blocks that are alive, not in original positions.
TEST(Greedy, BarriersMoveWithTheBlocksThatAreAlive) {
  const auto result = search(4, {.num_remove_blocks = 2, .early_barrier = 2, .latter_barrier = 0},
                             [](const Plan& plan) { return removes(plan, 3) ? 0.0 : 1.0; });
  EXPECT_EQ(result.removal_list(Units::block), (RemovalList{3, 2}));
  EXPECT_EQ(result.steps[1].candidates.size(), 1U);
}

TEST(Greedy, RefusesWhatCannotBeRemoved) {
  EXPECT_THROW(check({.num_remove_blocks = 0}, 4), Error);
  EXPECT_THROW(check({.num_remove_blocks = 3}, 4), Error);
  EXPECT_THROW(check({.num_remove_blocks = 4, .early_barrier = 0, .latter_barrier = 0}, 4), Error);
  EXPECT_THROW(check({.num_remove_blocks = 1, .early_barrier = -1}, 4), Error);
  EXPECT_NO_THROW(check({.num_remove_blocks = 2}, 4));
}

double sum_of_removed(const Plan& plan) {
  double sum = 100;
  for (int64_t block = 0; block < 6; ++block) sum -= removes(plan, block) ? static_cast<double>(block) : 0;
  return sum;
}

TEST(Greedy, GoesOnAfterFinishedRounds) {
  const GreedyOptions options{.num_remove_blocks = 3};
  const GreedyResult whole = search(6, options, sum_of_removed);
  for (size_t rounds = 0; rounds <= 3; ++rounds) {
    GreedyResult so_far = whole;
    so_far.steps.resize(rounds);
    const GreedyResult resumed = search(6, options, sum_of_removed, so_far);
    EXPECT_EQ(resumed.removal_list(Units::block), whole.removal_list(Units::block));
    EXPECT_EQ(resumed.dense_loss, whole.dense_loss);
    EXPECT_EQ(resumed.steps[2].loss, whole.steps[2].loss);
  }
}

TEST(Greedy, RefusesFinishedRoundsOfAnotherSearch) {
  const GreedyOptions options{.num_remove_blocks = 2};
  const GreedyResult whole = search(6, options, sum_of_removed);
  const auto refuses = [&](auto change) {
    GreedyResult so_far = whole;
    change(so_far);
    EXPECT_THROW(search(6, options, sum_of_removed, so_far), Error);
  };
  refuses([](GreedyResult& result) { result.steps[0].removed = 1; });
  refuses([](GreedyResult& result) { result.steps[0].removed = 77; });
  refuses([](GreedyResult& result) { result.steps[1].loss = 3; });
  refuses([](GreedyResult& result) { result.steps[0].candidates.pop_back(); });
  refuses([](GreedyResult& result) { result.steps[1].candidates[0].unit = 0; });
  refuses([](GreedyResult& result) { result.steps[1] = result.steps[0]; });
  refuses([](GreedyResult& result) { result.steps.resize(7, result.steps[1]); });
}

TEST(Greedy, CriterionDecides) {
  GreedyOptions options{.num_remove_blocks = 2, .criterion = Criterion::kl};  // here the negative of the loss
  const auto result = search(6, options, sum_of_removed);
  EXPECT_EQ(result.removal_list(Units::block), (RemovalList{1, 2}));
  EXPECT_EQ(result.steps[0].loss, 99);
  options.criterion = Criterion::loss;
  EXPECT_THROW(search(6, options, sum_of_removed, result), Error);
}

// A candidate that was dropped early has an estimate, which does not count.
TEST(Greedy, WinnerHasSeenTheWholeText) {
  const auto evaluate = [](const PlanRace& round) {
    RaceOutcome outcome;
    for (const Plan& plan : round.plans) {
      const int64_t block = plan.bypassed()[0].block;
      outcome.scores.push_back({.loss = static_cast<double>(block), .tokens = block < 3 ? 10 : 20});
    }
    return outcome;
  };
  EXPECT_EQ(greedy_search(6, {.num_remove_blocks = 1}, evaluate, [](const GreedyResult&) {}).steps[0].removed, 3);
}

TEST(Greedy, MarginIsTheNearestCandidates) {
  GreedyStep step{.removed = 2,
                  .loss = 1,
                  .candidates = {{{.loss = 2, .difference = 0.4, .error = 0.1}, 1},
                                 {{.loss = 1, .difference = 0, .error = 0}, 2},
                                 {{.loss = 3, .difference = 0.9, .error = 0.3}, 3}},
                  .seconds = 0};
  EXPECT_NEAR(*step.margin(), 3, 1e-12);
  step.candidates.resize(2);
  EXPECT_NEAR(*step.margin(), 4, 1e-12);
  step.candidates[0].error.reset();
  EXPECT_FALSE(step.margin().has_value());
}

TEST(Greedy, LossThatIsNotFiniteIsAnError) {
  EXPECT_THROW(search(4, {.num_remove_blocks = 1}, [](const Plan&) { return std::nan(""); }), Error);
}

}  // namespace
}  // namespace sleb
