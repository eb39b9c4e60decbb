#include "sleb/report/page/page.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sleb::page {
namespace {

using result::Candidate;
using result::PruneResult;

Candidate candidate(int64_t block, double loss, double kl, int64_t tokens, double difference,
                    std::optional<double> error) {
  return {Removal(block), {.loss = loss, .kl = kl, .tokens = tokens, .difference = {difference, error}}};
}

// Two rounds of a model of six blocks, on 2 segments of 50 tokens.
PruneResult two_rounds() {
  PruneResult result{};
  result.model = "org/<i>model";
  result.num_blocks = 6;
  result.search = "race";
  result.criterion = "loss";
  result.calibration = {.dataset = "a & b.txt", .source = "", .ids_sha256 = "", .segments = 2, .seqlen = 50, .seed = 0};
  result.command = "sleb prune '</pre><script>'";
  result.dense_loss = 300;
  result.removal_list = {3, 1};
  result.rounds = {
      {.removed = 3,
       .loss = 310,
       .candidates = {candidate(1, 312, 0.12, 100, 0.02, 0.02), candidate(2, 400, 1.5, 40, 0.9, 0.1),
                      candidate(3, 310, 0.1, 100, 0, {})},
       .winner = 2,
       .seconds = 1},
      {.removed = 1, .loss = 325, .candidates = {candidate(1, 325, 0.3, 100, 0, {})}, .winner = 0, .seconds = 1}};
  result.seconds = 2;
  return result;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(AddedCost, IsTheWinnersAndTheDifferenceToIt) {
  const PruneResult result = two_rounds();
  EXPECT_DOUBLE_EQ(added_cost(result, 0, 2, Cost::loss), 0.1);
  EXPECT_DOUBLE_EQ(added_cost(result, 0, 1, Cost::loss), 0.1 + 0.9) << "not from its estimate on a part of the text";
  EXPECT_DOUBLE_EQ(added_cost(result, 1, 0, Cost::loss), 0.15);
  EXPECT_DOUBLE_EQ(added_cost(result, 0, 1, Cost::kl), 1.5);
  EXPECT_DOUBLE_EQ(added_cost(result, 1, 0, Cost::kl), 0.3 - 0.1);
}

TEST(Page, HasACellForEachCandidateInBothMaps) {
  const std::string page = page_of(two_rounds());
  EXPECT_EQ(count(page, "class=\"cell\" tabindex=\"0\" role=\"img\" aria-label=\"round"), 2 * 4U);
  EXPECT_EQ(count(page, "data-round=\"1\" data-block=\"2\" data-loss=\"400\" data-kl=\"1.5\" data-tokens=\"40\""), 2U);
  EXPECT_EQ(count(page, "aria-label=\"round 1, block 2: dropped early;"), 2U);
  EXPECT_EQ(count(page, "aria-label=\"round 1, block 1: near tie with the removed one;"), 2U);
  EXPECT_EQ(count(page, "aria-label=\"round 2, block 1: removed;"), 2U);
}

TEST(Page, LoadsAndRunsNothingWhateverAFileSays) {
  const PruneResult result = two_rounds();
  const NamedResult named[] = {{"<u>one", &result}, {"two", &result}};
  for (const std::string& page : {page_of(result), page_of(named)}) {
    for (const char* part : {"<script", "<i>", "<u>", "src=", "@import", "url("}) {
      EXPECT_EQ(count(page, part), 0U) << part;
    }
    EXPECT_EQ(count(page, "default-src 'none'"), 1U);
  }
}

TEST(Sentence, SaysWhatIsGoneAndWhatItCostsAndBrings) {
  PruneResult result = two_rounds();
  EXPECT_EQ(in_a_sentence(result),
            "Without 2 of its 6 blocks (3, 1), perplexity on the calibration text goes from 20.09 to 25.79.");
  result.speed = {.prompt_tokens = 512, .dense = 100, .pruned = 150, .dense_seconds = {}, .pruned_seconds = {}};
  result.sizes = {{6, 1000, 2000}, {4, 700, 1400}};
  result.texts = {{"w.txt",
                   2,
                   50,
                   {{result::ModelState::dense, {20, 0.5}, {}, {}},
                    {result::ModelState::removed, {30, 0.75}, result::Measured{0.4, 0.02}, {}}}}};
  EXPECT_EQ(
      in_a_sentence(result),
      "Without 2 of its 6 blocks (3, 1), perplexity on w.txt goes from 20.00 ± 0.50 to 30.00 ± 0.75 (0.400 ± 0.020 "
      "nats per token more). In return a prompt of 512 tokens is read 1.50 times as fast, and 30.0% of the parameters "
      "are gone.");
}

TEST(Numbers, AreTheFilesOwn) {
  const PruneResult result = two_rounds();
  const NamedResult named{"one", &result};
  const OrderedJson json = numbers_of(std::span(&named, 1))["results"][0];
  EXPECT_EQ(json["path"][2]["loss"], 325);
  EXPECT_EQ(json["path"][2]["perplexity"], std::exp(3.25));
  EXPECT_EQ(json["map"][0]["cells"][1]["dropped_early"], true);
  EXPECT_EQ(json["map"][0]["cells"][0]["near_tie"], true);
  EXPECT_EQ(json["map"][0]["cells"][2]["near_tie"], false) << "not with itself";
  EXPECT_TRUE(json["knee"].is_null());
}

TEST(Picture, IsAFileOfItsOwn) {
  const PruneResult result = two_rounds();
  const NamedResult named[] = {{"one", &result}, {"two", &result}};
  for (const std::string& picture :
       {picture_of(result), picture_of(named), picture_of({Removal(3, Half::mlp), 1}, 6)}) {
    EXPECT_TRUE(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    EXPECT_EQ(count(picture, "<style>"), 1U);
    EXPECT_EQ(count(picture, "class=\"tip\""), 0U) << "nobody points at paper";
  }
  EXPECT_EQ(count(picture_of({Removal(3, Half::mlp), 1}, 6), "class=\"gone\""), 2U);
  EXPECT_EQ(count(picture_of({Removal(3, Half::mlp), 1}, 6), "class=\"kept\""), 6U);
}

}  // namespace
}  // namespace sleb::page
