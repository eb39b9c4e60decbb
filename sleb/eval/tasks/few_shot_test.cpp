#include "sleb/eval/tasks/few_shot.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

TaskRows rows(const std::vector<int>& values) {
  TaskRows result{.file = "p.train.jsonl"};
  for (const int value : values) result.rows.push_back({{{"q", value}}, ""});
  return result;
}

std::vector<int> drawn(FewShotSampler& sampler, int own) {
  std::vector<int> values;
  for (const TaskRow* row : sampler.draw({{{"q", own}}, ""})) values.push_back(row->fields.at("q"));
  return values;
}

TEST(FewShot, TheFirstRowsButTheQuestionsOwn) {
  const TaskRows pool = rows({1, 2, 3, 2, 4});
  FewShotSampler own({pool, false, true}, {.count = 3});
  EXPECT_EQ(drawn(own, 2), (std::vector{1, 3, 4}));
  EXPECT_EQ(drawn(own, 4), (std::vector{1, 2, 3}));
  FewShotSampler other({pool, false, false}, {.count = 3});
  EXPECT_EQ(drawn(other, 2), (std::vector{1, 2, 3})) << "rows of a file of their own are not held against the question";
  FewShotSampler none({pool, true, true}, {.count = 0});
  EXPECT_EQ(drawn(none, 2), std::vector<int>{});
}

// random.Random(1234).sample(range(10), k)
TEST(FewShot, DrawnAsTheHarnessDraws) {
  const TaskRows pool = rows({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  FewShotSampler two({pool, false, false}, {.count = 3, .seed = 1234});
  EXPECT_EQ(drawn(two, 0), (std::vector{7, 1, 0}));
  FewShotSampler one_more({pool, true, false}, {.count = 2, .seed = 1234});
  EXPECT_EQ(drawn(one_more, 1), (std::vector{7, 0}));
  FewShotSampler not_its_own({pool, true, false}, {.count = 2, .seed = 1234});
  EXPECT_EQ(drawn(not_its_own, 5), (std::vector{7, 1}));
}

TEST(FewShot, TooFewRowsAreRefused) {
  const auto error = [](const std::vector<int>& values, const FewShotOptions& options, int own) -> std::string {
    const TaskRows pool = rows(values);
    return error_message([&] {
      FewShotSampler sampler({pool, true, true}, options);
      drawn(sampler, own);
    });
  };
  EXPECT_EQ(
      error({1, 2}, {.count = 3}, 9),
      "p.train.jsonl: 3 examples were asked for in front of each question, but there are 2 rows to take them from");
  EXPECT_EQ(
      error({1, 2}, {.count = 2}, 1),
      "p.train.jsonl: 2 examples were asked for in front of each question, but there are 1 rows to take them from");
  EXPECT_EQ(
      error({1, 1, 1}, {.count = 2, .seed = 1}, 1),
      "p.train.jsonl: 2 examples were asked for in front of each question, but there are 0 rows to take them from");
  EXPECT_EQ(error({1, 2}, {.count = 2, .seed = 1}, 3), "no error");
}

}  // namespace
}  // namespace sleb
