#include "sleb/search/search_state.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "sleb/base/error_message.h"
#include "sleb/base/file.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

class SearchStateTest : public testing::Test {
 protected:
  void TearDown() override { fs::remove(file_); }

  std::string message_for(std::string_view content) {
    write_file_atomically(file_, content);
    return error_message([&] { load_search(file_); });
  }

  fs::path file_ = fs::temp_directory_path() / fmt::format("sleb-search-state-test-{}.json", ::getpid());
};

SavedSearch example() {
  SavedSearch search;
  search.fingerprint.add("--seed", "0");
  search.fingerprint.add("the model", "xxh3:00");
  search.state.finished = {
      .dense_loss = 0.1 + 0.2,
      .steps = {
          {.removed = 4,
           .loss = 1.0 / 3,
           .candidates =
               {{{.loss = 2.0 / 3, .kl = 0.1, .segments = 1, .tokens = 512, .difference = 1.0 / 7, .error = 1e-17}, 1},
                {{.loss = 1.0 / 3, .kl = 0, .tokens = 2048}, 4}},
           .seconds = 0.5,
           .operations = 1e15}}};
  search.state.races = {{.step = "runs of 2",
                         .candidates = {{{.loss = 0.7, .tokens = 9}, {1, 4}}, {{.loss = 0.1, .error = 0.3}, {2, 3}}},
                         .best = 1,
                         .seconds = 0.25,
                         .operations = 1e12}};
  search.state.round = {{.nll = {1e-300, 3}, .divergence = {0.1, 0.7}}, {.nll = {4, 5e300}, .divergence = {}}};
  search.state.callers = {{"figure", 0.1 + 0.2}};
  return search;
}

TEST_F(SearchStateTest, ReadsToTheBitWhatWasSaved) {
  EXPECT_FALSE(load_search(file_).has_value());
  const SavedSearch search = example();
  save_search(file_, search);
  const auto loaded = load_search(file_);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->fingerprint.difference_to(search.fingerprint), "");
  EXPECT_EQ(loaded->state.finished.dense_loss, search.state.finished.dense_loss);
  EXPECT_EQ(loaded->state.callers, search.state.callers);
  const GreedyStep& step = loaded->state.finished.steps.at(0);
  EXPECT_EQ(step.removed, 4);
  EXPECT_EQ(step.loss, 1.0 / 3);
  EXPECT_EQ(step.candidates.at(0).unit, 1);
  EXPECT_EQ(step.candidates.at(0).loss, 2.0 / 3);
  EXPECT_EQ(step.candidates[0].kl, 0.1);
  EXPECT_EQ(step.candidates[0].segments, 1);
  EXPECT_EQ(step.candidates[0].tokens, 512);
  EXPECT_EQ(step.candidates[0].difference, 1.0 / 7);
  EXPECT_EQ(step.candidates[0].error, 1e-17);
  EXPECT_FALSE(step.candidates[1].error);
  EXPECT_EQ(step.seconds, 0.5);
  EXPECT_EQ(step.operations, 1e15);
  const SetRace& race = loaded->state.races.at(0);
  EXPECT_EQ(race.step, "runs of 2");
  EXPECT_EQ(race.candidates.at(0).units, (UnitSet{1, 4}));
  EXPECT_EQ(race.candidates[0].tokens, 9);
  EXPECT_EQ(race.candidates.at(1).error, 0.3);
  EXPECT_EQ(race.best, 1U);
  EXPECT_EQ(race.seconds, 0.25);
  EXPECT_EQ(race.operations, 1e12);
  ASSERT_EQ(loaded->state.round.size(), 2U);
  EXPECT_EQ(loaded->state.round[1].nll, search.state.round[1].nll);
  EXPECT_EQ(loaded->state.round[0].divergence, search.state.round[0].divergence);
}

TEST_F(SearchStateTest, NamesTheDifference) {
  const Fingerprint before = example().fingerprint;
  Fingerprint now;
  now.add("--seed", "1");
  now.add("the model", "xxh3:00");
  now.add("--seqlen", "2048");
  EXPECT_EQ(before.difference_to(now), "--seed was 0, is 1; --seqlen was not recorded, is 2048");
  now.add("the number of processes", "2");
  EXPECT_EQ(now.difference_to(before),
            "--seed was 1, is 0; --seqlen was 2048, is not given; the number of processes was 2, is not given");
}

TEST_F(SearchStateTest, TravelsAsText) {
  const SearchState state = example().state;
  const SearchState arrived = search_state_of(text_of(state), "a message");
  EXPECT_EQ(text_of(arrived), text_of(state));
  EXPECT_EQ(arrived.finished.steps.at(0).candidates.at(0).loss, 2.0 / 3);
  EXPECT_EQ(arrived.round.at(1).nll, state.round.at(1).nll);
  EXPECT_THROW(search_state_of("{}", "a message"), Error);
}

TEST_F(SearchStateTest, RefusesADamagedFileByNameAndPlace) {
  save_search(file_, example());
  const std::string whole = read_file(file_);
  for (size_t size = 0; size + 1 < whole.size(); size += 11) {
    EXPECT_NE(message_for(whole.substr(0, size)).find(file_.string()), std::string::npos) << size;
  }
  const auto with = [&](std::string_view old, std::string_view changed) {
    std::string content = whole;
    const size_t place = content.find(old);
    EXPECT_NE(place, std::string::npos) << old;
    return message_for(content.replace(place, old.size(), changed));
  };
  EXPECT_NE(with("\"sleb_search_state\":3", "\"sleb_search_state\":4").find("another version"), std::string::npos);
  EXPECT_NE(with("\"--seed\":\"0\"", "\"--seed\":0").find("--seed"), std::string::npos);
  EXPECT_NE(with("\"removed\":4", "\"removed\":-4").find("steps[0].removed"), std::string::npos);
  EXPECT_NE(with("\"loss\":0.33", "\"loss\":null,\"x\":0.33").find("steps[0]"), std::string::npos);
  EXPECT_NE(with("\"block\":1", "\"block\":1e99").find("steps[0].candidates[0].block"), std::string::npos);
  EXPECT_NE(with("\"best\":1", "\"best\":-1").find("races[0].best"), std::string::npos);
  EXPECT_NE(with("\"blocks\":[2", "\"blocks\":[\"2\"").find("races[0].candidates[1].blocks[0]"), std::string::npos);
  EXPECT_NE(with("\"steps\":[", "\"steps\":3,\"x\":[").find("steps"), std::string::npos);
  EXPECT_NE(with("[4.0,", "[\"4\",").find("round[1].nll[0]"), std::string::npos);
}

// Without a driver the card is "a GPU".
TEST(FingerprintOfCompute, NamesAGpuAndLibtorch) {
  Fingerprint cpu, gpu;
  add_compute(cpu, {"cpu", "bfloat16", 3});
  add_compute(gpu, {"cuda:0", "bfloat16", 3});
  EXPECT_EQ(cpu.json().dump(), R"({"--dtype":"bfloat16","--device":"cpu","--threads":"3"})");
  EXPECT_NE(gpu.value(gpu_arithmetic), "");
  EXPECT_EQ(gpu.value(gpu_arithmetic), arithmetic_of({"cuda:0", "bfloat16", 1}));
}

}  // namespace
}  // namespace sleb
