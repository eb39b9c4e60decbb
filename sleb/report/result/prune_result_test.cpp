#include "sleb/report/result/prune_result.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "sleb/base/error.h"
#include "sleb/report/result/path.h"

namespace sleb::result {
namespace {

// Two rounds of a model of four blocks, on 2 segments of 50 tokens.
constexpr const char* small = R"({
  "model": "m", "num_blocks": 4, "calibration": {"dataset": "t.txt", "segments": 2, "seqlen": 50, "seed": 3},
  "dtype": "float32", "device": "cpu", "search": "race", "confidence": 0.999, "criterion": "loss", "units": "block",
  "dense_loss": 300, "removal_list": [2, 1], "seconds": 1.5, "command": "sleb prune m",
  "steps": [
    {"removed": 2, "loss": 310, "margin": 4, "seconds": 1, "operations": 1, "candidates": [
      {"block": 1, "loss": 350, "kl": 0.3, "segments": 2, "tokens": 60, "difference": 0.4, "difference_stderr": 0.1},
      {"block": 2, "loss": 310, "kl": 0.1, "segments": 2, "tokens": 100, "difference": 0, "difference_stderr": null}]},
    {"removed": 1, "loss": 370, "margin": null, "seconds": 1, "operations": 1, "candidates": [
      {"block": 1, "loss": 370, "kl": 0.5, "segments": 2, "tokens": 100, "difference": 0, "difference_stderr": null}]}]
})";

PruneResult read(const Json& json) {
  return prune_result(JsonView(json, "r.json"));
}

// What is said of the file with a change.
std::string error_with(const std::function<void(Json&)>& change) {
  Json json = Json::parse(small);
  change(json);
  try {
    read(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    return error.what();
  }
  return "no error";
}

TEST(PruneResult, IsWhatTheFileSays) {
  const PruneResult result = read(Json::parse(small));
  EXPECT_EQ(result.removal_list, (RemovalList{2, 1}));
  EXPECT_EQ(result.rounds.size(), 2U);
  EXPECT_EQ(result.rounds[0].winner, 1U);
  EXPECT_EQ(result.rounds[0].candidates[0].score.difference.error, 0.1);
  EXPECT_TRUE(is_dropped_early(result.rounds[0].candidates[0].score, result));
  EXPECT_FALSE(is_dropped_early(result.rounds[0].candidates[1].score, result));
  const auto path = path_of(result);
  ASSERT_EQ(path.size(), 3U);
  EXPECT_EQ(path[2].per_token, 3.7);
  EXPECT_EQ(path[1].perplexity, std::exp(3.1));
  EXPECT_EQ(path[2].kl, 0.5);
  EXPECT_EQ(path[2].removed, (RemovalList{2, 1}));
}

TEST(PruneResult, PathOfASearchForBetterSetsIsTheirs) {
  Json json = Json::parse(small);
  json["races"] = Json::array();
  json["best_sets"] = Json::parse(R"([{"blocks": 1, "removal_list": [2], "loss": 310, "kl": 0.1},
                                      {"blocks": 2, "removal_list": [1, 2], "loss": 360, "kl": 0.4}])");
  const PruneResult result = read(json);
  EXPECT_EQ(path_of(result)[2].loss, 360);
  EXPECT_EQ(greedy_path(result)[2].loss, 370);
  EXPECT_EQ(result.loss(), 360);
}

TEST(PruneResult, IsNoOtherProgramsFile) {
  EXPECT_EQ(error_with([](Json& json) { json = Json::array(); }),
            "r.json: not a result of sleb prune (no removal_list)");
  EXPECT_EQ(error_with([](Json& json) {
              json = {{"loss", 1}};
            }),
            "r.json: not a result of sleb prune (no removal_list)");
  EXPECT_NE(error_with([](Json& json) { json.erase("steps"); }).find("no search is recorded"), std::string::npos);
}

TEST(PruneResult, HasValuesThatCanBeDrawn) {
  for (const char* key : {"model", "num_blocks", "calibration", "dtype", "search", "dense_loss", "seconds"}) {
    EXPECT_NE(error_with([&](Json& json) { json.erase(key); }).find(key), std::string::npos) << key;
    EXPECT_NE(error_with([&](Json& json) { json[key] = Json::array(); }).find(key), std::string::npos) << key;
  }
  EXPECT_NE(error_with([](Json& json) { json["dense_loss"] = 1e300; }).find("larger than"), std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["dense_loss"] = 60000; }).find("too large for a loss"), std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["dense_loss"] = -1; }).find("negative"), std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["dense_loss"] = nullptr; }).find("dense_loss"), std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["num_blocks"] = 1 << 30; }).find("num_blocks"), std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["seconds"] = "long"; }).find("seconds"), std::string::npos);
}

TEST(PruneResult, HasRoundsThatASearchCanHave) {
  EXPECT_NE(error_with([](Json& json) { json["steps"] = Json::array(); }).find("steps"), std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["steps"][0]["removed"] = 3; }).find("not among the candidates"),
            std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["steps"][0]["candidates"][0]["block"] = 4; }).find("not a block of 4"),
            std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["steps"][0]["candidates"][0]["block"] = "<b>"; }).find("expected a block"),
            std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["steps"][0]["candidates"][0]["tokens"] = 101; }).find("tokens"),
            std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["removal_list"] = Json::array(); }).find("no block is left out"),
            std::string::npos);
  EXPECT_NE(error_with([](Json& json) { json["steps"] = Json(9, json["steps"][0]); }).find("more rounds than"),
            std::string::npos);
}

TEST(PruneResult, DoesNotContradictItself) {
  const auto refused = [](const std::function<void(Json&)>& change, std::string_view word) {
    const std::string error = error_with(change);
    EXPECT_NE(error.find(word), std::string::npos) << error;
  };
  refused([](Json& json) { json["removal_list"] = {2, 1, 3}; }, "removal_list: not what its rounds found: 2,1");
  refused([](Json& json) { json["removal_list"] = {2}; }, "removal_list: not what its rounds found: 2,1");
  refused([](Json& json) { json["removal_list"] = {2, 3}; }, "removal_list: not what its rounds found: 2,1");
  refused([](Json& json) { json["removal_list"] = {2, 2}; }, "removal_list[1]: block 2 stands twice");
  refused([](Json& json) { json["removal_list"] = {0, 1, 2, 3}; }, "all 4 blocks");
  refused([](Json& json) { json["removal_list"] = {2, 4}; }, "not a block of 4");
  refused([](Json& json) { json["steps"][1]["candidates"][0]["block"] = 2; }, "removed before");
  refused([](Json& json) { json["steps"][0]["candidates"][0]["block"] = 2; }, "a candidate of this round twice");
  refused([](Json& json) { json["steps"][0]["loss"] = 311; }, "steps[0].loss: not that of the candidate");
  refused([](Json& json) { json["steps"][0]["candidates"][0]["block"] = "1.mlp"; }, "not a whole block");
  refused([](Json& json) { json["units"] = "half"; }, "not half a block");
  const auto with_sizes = [](double dense, double pruned) {
    const auto size = [](double blocks) { return Json{{"blocks", blocks}, {"parameters", 1}, {"bytes", 1}}; };
    return [=](Json& json) { json["size"] = {{"dense", size(dense)}, {"pruned", size(pruned)}}; };
  };
  EXPECT_EQ(error_with(with_sizes(4, 2)), "no error");
  refused(with_sizes(5, 2), "size.dense.blocks: not 4");
  refused(with_sizes(4, 3), "size.pruned.blocks: not 2");
  const auto with_sets = [](const char* sets) {
    return [=](Json& json) { json["races"] = Json::array(), json["best_sets"] = Json::parse(sets); };
  };
  const char* one = R"([{"blocks": 1, "removal_list": [2], "loss": 310, "kl": 0.1}])";
  refused(with_sets(one), "removal_list: not what its best_sets found: 2");
  const char* of_another_size = R"([{"blocks": 2, "removal_list": [2], "loss": 310, "kl": 0.1}])";
  refused(with_sets(of_another_size), "best_sets[0].removal_list: not of 2");
  const char* twice = R"([{"blocks": 2, "removal_list": [1, 2], "loss": 310, "kl": 0.1},
                          {"blocks": 2, "removal_list": [1, 2], "loss": 310, "kl": 0.1}])";
  refused(with_sets(twice), "in the order of their size");
}

TEST(PruneResult, CountsRepairedMatricesAndExperts) {
  Json json = Json::parse(small);
  json["repaired_loss"] = 350;
  json["repair"] = Json::parse(R"({"seconds": 2, "matrices": [
    {"block": 3, "half": "attention", "ridge": 0.1, "held_out": {"before": 0.5, "after": 0.4}},
    {"block": 3, "half": "mlp", "ridge": null, "held_out": {"before": 0.4, "after": 0.3},
     "experts": {"ridges": [null, 0.3], "least_tokens": 160, "left": [0]}},
    {"block": 4, "half": "mlp", "ridge": null, "held_out": {"before": 0.6, "after": 0.6},
     "experts": {"ridges": [null, null], "shared_ridge": null, "least_tokens": 160, "left": [0, 1]}}]})");
  const auto repair = read(json).repair;
  ASSERT_TRUE(repair);
  EXPECT_EQ(repair->matrices, 3);
  EXPECT_EQ(repair->changed, 2);
  EXPECT_EQ(repair->held_out->second, 0.3);
  json["repair"]["matrices"][2]["experts"]["shared_ridge"] = 0.01;
  EXPECT_EQ(read(json).repair->changed, 3);
  json["repair"]["matrices"][1]["experts"]["ridges"] = 1;
  EXPECT_NE(error_with([&](Json& other) { other = json; }).find("expected a list of ridges"), std::string::npos);
}

TEST(PruneResult, EvaluationIsOfDenseRemovedAndRepaired) {
  Json json = Json::parse(small);
  json["evaluation"] = Json::parse(R"({
    "perplexity_details": {"w": {"segments": 2, "seqlen": 50, "rows": [
      {"perplexity": 20.5, "perplexity_stderr": 1.5},
      {"perplexity": 30, "perplexity_stderr": null, "difference": 0.4, "difference_stderr": 0.1, "divergence": 0.2},
      {"perplexity": 25, "perplexity_stderr": 1, "repaired": true}]}},
    "results": {"piqa": {"acc": 0.6, "acc_stderr": 0.1}}, "n-samples": {"piqa": {"original": 9, "effective": 8}},
    "pruned": [{"results": {"piqa": {"acc": 0.5, "acc_stderr": 0.1, "acc_difference": -0.1, "acc_difference_stderr": 0.05}}},
               {"repaired": true, "results": {"piqa": {"acc": 0.55, "acc_stderr": 0.1}}}]})");
  const PruneResult result = read(json);
  ASSERT_EQ(result.texts.size(), 1U);
  ASSERT_EQ(result.texts[0].rows.size(), 3U);
  EXPECT_EQ(result.texts[0].rows[0].perplexity.error, 1.5);
  EXPECT_EQ(result.texts[0].rows[1].model, ModelState::removed);
  EXPECT_EQ(result.texts[0].rows[1].difference->error, 0.1);
  EXPECT_EQ(result.texts[0].rows[2].model, ModelState::repaired);
  ASSERT_EQ(result.tasks.size(), 1U);
  EXPECT_EQ(result.tasks[0].questions, 8);
  ASSERT_EQ(result.tasks[0].rows.size(), 3U);
  EXPECT_EQ(result.tasks[0].rows[1].difference->value, -0.1);
  json["evaluation"]["perplexity_details"]["w"]["rows"][0]["perplexity"] = 0.5;
  EXPECT_THROW(read(json), Error);
}

}  // namespace
}  // namespace sleb::result
